use std::time::Duration;

use axum::body::{Body, Bytes};
use callboard_http::{Edge, Limits};
use futures::{StreamExt, stream};

use crate::toy::{Toy, request};

const LIMIT: usize = 64 * 1024;

#[tokio::test]
async fn what_is_wrong_in_a_body_is_pointed_at() {
    let toy = Toy::new();
    let cases = [
        ("{\"by\": 1.5}", "/by"),
        ("{\"by\": \"1\"}", "/by"),
        ("{\"by\": 256}", "/by"),
        ("{\"by\": -1}", "/by"),
        ("{\"by\": null}", "/by"),
        ("{}", "/by"),
        ("{\"by\": 1, \"more\": 2}", "/more"),
        ("{\"by\": 1, \"a`, expected `by`\": 2}", "/a`, expected `by`"),
        ("{\"by\": 1, \"~/\": 2}", "/~0~1"),
        (
            "{\"by\": 1, \"parts\": [{\"n/m\": 1}, {\"n/m\": \"x\"}]}",
            "/parts/1/n~1m",
        ),
        ("{\"by\": 1, \"parts\": [{}]}", "/parts/0/n~1m"),
        ("{\"by\": 1, \"parts\": [{\"n/m\": 1, \"x\": 1}]}", "/parts/0/x"),
        ("[1]", ""),
        ("\"by\"", ""),
        ("1", ""),
        ("null", ""),
    ];
    for (body, pointer) in cases {
        toy.post_body(body, &[]).await.invalid("invalid-body", pointer);
    }
    assert_eq!(toy.events().await.len(), 0);
}

#[tokio::test]
async fn what_is_no_recordable_json_is_pointed_at() {
    let toy = Toy::new();
    let deep = |levels: usize| format!("{{\"by\":1,\"note\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    let cases: &[(&[u8], &str)] = &[
        (b"", ""),
        (b"{", ""),
        (b"{\"by\": 1", ""),
        (b"{\"by\": 1}}", ""),
        (b"{\"by\": 1} {}", ""),
        (b"{\"by\": 01}", "/by"),
        (b"{\"by\": NaN}", "/by"),
        (b"{\"by\": 1e400}", "/by"),
        (b"{\"by\": 1, \"by\": 1}", "/by"),
        (b"{\"by\": 1, \"\\u0062y\": 1}", "/by"),
        (b"{\"by\": 1, \"note\": {\"x\": [{\"y\": 1, \"y\": 2}]}}", "/note/x/0/y"),
        (b"{\"by\": 1, \"note\": [\"a\", \"\\u0000\"]}", "/note/1"),
        (b"{\"by\": 1, \"note\": {\"\\u0000\": 1}}", "/note/\0"),
        (b"{\"by\": 1, \"note\": \"\\ud800\"}", "/note"),
        (b"{\"by\": 1, \"note\": \"\xff\"}", ""),
        (b"\xef\xbb\xbf{\"by\": 1}", ""),
    ];
    for (body, pointer) in cases {
        let answer = toy.post_body(body.to_vec(), &[]).await;
        answer.invalid("malformed-json", pointer);
    }
    toy.post_body(deep(200), &[]).await.problem(400, "malformed-json");
    toy.post_body(deep(32), &[]).await.problem(400, "malformed-json");
    toy.post_body("[".repeat(LIMIT), &[])
        .await
        .problem(400, "malformed-json");
    assert_eq!(toy.post_body(deep(31), &[]).await.status, 200);
    assert_eq!(toy.events().await.len(), 1);
}

#[tokio::test]
async fn a_missing_field_and_an_unknown_one_say_so() {
    let toy = Toy::new();
    let detail = async |body: &'static str| toy.post_body(body, &[]).await.json()["errors"][0]["detail"].clone();
    assert_eq!(detail("{}").await, "missing");
    assert_eq!(detail("{\"by\":1,\"x\":1}").await, "unknown field");
    assert_eq!(detail("{\"by\":1,\"by\":1}").await, "given twice");
    assert_eq!(
        detail("{\"by\":\"1\"}").await,
        "invalid type: string \"1\", expected u8"
    );
}

fn padded(bytes: usize) -> String {
    let body = "{\"by\":1}";
    format!("{body}{}", " ".repeat(bytes - body.len()))
}

#[tokio::test]
async fn a_body_over_64_kib_is_413_however_it_comes() {
    let toy = Toy::new();
    assert_eq!(toy.post_body(padded(LIMIT), &[]).await.status, 200);
    toy.post_body(padded(LIMIT + 1), &[]).await.problem(413, "too-large");
    let chunk = Bytes::from(padded(1024));
    let chunks = |count| Body::from_stream(stream::repeat(chunk.clone()).take(count).map(Ok::<_, std::io::Error>));
    toy.post_body(chunks(65), &[]).await.problem(413, "too-large");
    // Without an end: it is not read to one.
    toy.post_body(chunks(usize::MAX), &[]).await.problem(413, "too-large");
    toy.post_body(
        Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>()),
        &[("content-length", "99999999")],
    )
    .await
    .problem(413, "too-large");
    assert_eq!(toy.events().await.len(), 1);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408() {
    let limits = Limits {
        body_within: Duration::from_millis(10),
        ..Limits::default()
    };
    let toy = Toy::on(Edge::new(["toy"]).limits(limits));
    let begun = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{\"by\""))]);
    toy.post_body(Body::from_stream(begun.chain(stream::pending())), &[])
        .await
        .problem(408, "too-slow");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_400() {
    let toy = Toy::new();
    let broken = stream::iter([Ok(Bytes::from_static(b"{\"by\"")), Err(std::io::Error::other("gone"))]);
    toy.post_body(Body::from_stream(broken), &[])
        .await
        .problem(400, "incomplete-body");
}

#[tokio::test]
async fn only_json_in_utf_8_is_taken() {
    let toy = Toy::new();
    let post = async |types: &[&str]| {
        let headers: Vec<_> = types.iter().map(|value| ("content-type", *value)).collect();
        toy.answer(request("POST", "/counters/a/count", &headers, "{\"by\":1}"))
            .await
    };
    for taken in [
        "application/json",
        "Application/JSON; charset=\"UTF-8\"",
        "application/vnd.x+json",
    ] {
        assert_eq!(post(&[taken]).await.status, 200, "{taken}");
    }
    for refused in [
        "",
        "text/plain",
        "application/jsonx",
        "text/json",
        "application/json; charset=latin1",
        "json",
    ] {
        post(&[refused]).await.problem(415, "not-json");
    }
    post(&[]).await.problem(415, "not-json");
    post(&["application/json", "application/json"])
        .await
        .problem(415, "not-json");
}
