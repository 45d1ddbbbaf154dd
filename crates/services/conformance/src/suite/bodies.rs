//! Bodies: which ones are a quantity, which are not, and which are a trap.

use crate::system::System;
use crate::transcript::Transcript;

const MAX: i64 = i64::MAX;

pub(super) async fn quantities(system: &System) -> Transcript {
    let (api, mut answers) = (&system.api, Transcript::new());
    let before = api.head().await;
    let wrong = [
        ("{\"quantity\":0}", "/quantity"),
        ("{\"quantity\":-1}", "/quantity"),
        ("{\"quantity\":-0}", "/quantity"),
        ("{\"quantity\":1.5}", "/quantity"),
        ("{\"quantity\":50.0}", "/quantity"),
        ("{\"quantity\":1e2}", "/quantity"),
        ("{\"quantity\":\"50\"}", "/quantity"),
        ("{\"quantity\":null}", "/quantity"),
        ("{\"quantity\":true}", "/quantity"),
        ("{\"quantity\":[1]}", "/quantity"),
        ("{\"quantity\":{}}", "/quantity"),
        ("{\"quantity\":9223372036854775808}", "/quantity"),
        ("{\"quantity\":-9223372036854775809}", "/quantity"),
        ("{\"quantity\":18446744073709551616}", "/quantity"),
        ("{}", "/quantity"),
        ("{\"quantity\":1,\"colour\":\"red\"}", "/colour"),
        ("{\"Quantity\":1}", "/Quantity"),
    ];
    for (body, pointer) in wrong {
        for ask in [api.increase_with("wrong", body), api.ship_with("wrong", body)] {
            let answer = ask.send().await.problem(400, "invalid-body").at(pointer);
            answers.note(body, answer);
        }
    }
    let text = &api.increase_with("wrong", "{\"quantity\":0}").send().await.body["detail"];
    assert_eq!(
        text.as_str()
            .map(|text| text.contains("an integer from 1 to 9223372036854775807")),
        Some(true),
        "{text}"
    );
    for body in ["[]", "5", "\"quantity\"", "null", "[1]"] {
        answers.note(
            body,
            api.increase_with("wrong", body)
                .send()
                .await
                .problem(400, "invalid-body"),
        );
    }
    assert_eq!(api.head().await, before, "nothing was recorded");
    answers
}

pub(super) async fn overflow(system: &System) -> Transcript {
    let (api, mut answers) = (&system.api, Transcript::new());
    let most = answers.note("the most", api.increase("much", MAX).send().await.done());
    for quantity in [1, MAX] {
        let refused = api.increase("much", quantity).send().await;
        answers.note("more", refused.problem(409, "quantity-on-hand-overflow"));
    }
    assert_eq!(api.quantity("much", most.position()).await, Some(MAX));
    let shipped = answers.note("ship one", api.ship("much", 1).send().await.done());
    answers.note("one again", api.increase("much", 1).send().await.done());
    let refused = api.increase("much", 1).send().await;
    answers.note("one more", refused.problem(409, "quantity-on-hand-overflow"));
    let all = answers.note("ship all", api.ship("much", MAX).send().await.done());
    let notified = api.notified(all.position()).await;
    assert_eq!(notified, shipped.position() + 3, "and nothing else was recorded");
    assert_eq!(api.quantity("much", notified).await, Some(0));
    answers
}

pub(super) async fn traps(system: &System) -> Transcript {
    let (api, mut answers) = (&system.api, Transcript::new());
    let before = api.head().await;
    let deep = |open: &str, close: &str| format!("{{\"quantity\":{}{}}}", open.repeat(200), close.repeat(200));
    let malformed: [(&str, Vec<u8>); 22] = [
        ("nothing", b"".into()),
        ("a blank", b" ".into()),
        ("cut off", b"{\"quantity\":1".into()),
        ("more behind it", b"{\"quantity\":1} {}".into()),
        ("no quotes", b"{quantity:1}".into()),
        ("a comma too many", b"{\"quantity\":1,}".into()),
        ("a leading zero", b"{\"quantity\":01}".into()),
        ("a plus", b"{\"quantity\":+1}".into()),
        ("NaN", b"{\"quantity\":NaN}".into()),
        ("a byte order mark", b"\xef\xbb\xbf{\"quantity\":1}".into()),
        ("invalid UTF-8", b"{\"quantity\":\"\xff\"}".into()),
        ("an overlong NUL", b"{\"quantity\":\"\xc0\x80\"}".into()),
        ("a raw NUL", b"{\"quantity\":\"\0\"}".into()),
        ("an escaped NUL", b"{\"quantity\":\"\\u0000\"}".into()),
        ("a NUL in a name", b"{\"quanti\\u0000ty\":1}".into()),
        ("a lone surrogate", b"{\"quantity\":\"\\ud800\"}".into()),
        ("surrogates swapped", b"{\"quantity\":\"\\udc00\\ud800\"}".into()),
        ("arrays 200 deep", deep("[", "]").into()),
        ("objects 200 deep", deep("{\"a\":", "1}").into()),
        ("a field twice", b"{\"quantity\":1,\"quantity\":1}".into()),
        (
            "a field twice, escaped",
            b"{\"quantity\":1,\"quantit\\u0079\":1}".into(),
        ),
        ("1e400", b"{\"quantity\":1e400}".into()),
    ];
    for (name, body) in malformed {
        let answer = api.increase_with("trap", body.clone()).send().await;
        answers.note(name, answer.problem(400, "malformed-json"));
        let answer = api.ship_with("trap", body).send().await;
        answers.note(name, answer.problem(400, "malformed-json"));
    }
    assert_eq!(api.head().await, before, "nothing was recorded");
    answers
}
