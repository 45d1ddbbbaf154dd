//! Requests that two servers in a row could read differently: one answer, and the connection ends.

use crate::raw;
use crate::system::System;
use crate::transcript::Transcript;

pub(super) async fn smuggled(system: &System) -> Transcript {
    let (api, mut answers) = (&system.api, Transcript::new());
    let before = api.head().await;
    let hidden = "POST /warehouse/products/hidden/increase_quantity HTTP/1.1\r\nHost: x\r\n\
        Content-Type: application/json\r\nContent-Length: 14\r\n\r\n{\"quantity\":1}";
    let post = |headers: &str, body: &str| {
        format!(
            "POST /warehouse/products/front/increase_quantity HTTP/1.1\r\n\
            Content-Type: application/json\r\n{headers}\r\n{body}{hidden}"
        )
    };
    let chunked = "e\r\n{\"quantity\":1}\r\n0\r\n\r\n";
    let json = "{\"quantity\":1}";
    let wrong = [
        (
            "two lengths",
            post("Host: x\r\nContent-Length: 14\r\nContent-Length: 15\r\n", json),
        ),
        ("lengths in a list", post("Host: x\r\nContent-Length: 14, 15\r\n", json)),
        ("a signed length", post("Host: x\r\nContent-Length: +14\r\n", json)),
        (
            "an unknown encoding",
            post("Host: x\r\nTransfer-Encoding: squashed\r\n", chunked),
        ),
        (
            "chunked not last",
            post("Host: x\r\nTransfer-Encoding: chunked, gzip\r\n", chunked),
        ),
        ("a folded header", post("Host: x\r\nContent-Length:\r\n 14\r\n", json)),
        (
            "a blank before the colon",
            post("Host: x\r\nContent-Length : 14\r\n", json),
        ),
        ("no host", post("Content-Length: 14\r\n", json)),
        ("two hosts", post("Host: x\r\nHost: y\r\nContent-Length: 14\r\n", json)),
        ("no HTTP", "hello\r\n\r\n".to_owned()),
    ];
    for (name, request) in wrong {
        let got = raw::send(system.replicas[0].http, request.as_bytes()).await;
        assert_eq!(got.len(), 1, "{name}: {got:?}");
        let answer = answers.note(name, got[0].clone());
        assert_eq!(answer.status, 400, "{name}: {answer:?}");
    }
    assert_eq!(api.head().await, before, "nothing was recorded");

    // Here the chunks count, and whatever comes behind them is never looked at.
    let both = post(
        "Host: x\r\nContent-Length: 14\r\nTransfer-Encoding: chunked\r\n",
        chunked,
    );
    let got = raw::send(system.replicas[0].http, both.as_bytes()).await;
    assert_eq!(got.len(), 1, "{got:?}");
    let answer = answers.note("a length and chunks", got[0].clone());
    assert!([200, 400].contains(&answer.status), "{answer:?}");
    assert_eq!(api.quantity("hidden", 0).await, None);
    let done = u64::from(answer.status == 200);
    assert_eq!(api.head().await, before + done);
    answers
}
