use callboard_http::Edge;

use crate::toy::{Toy, request};

const PATH: &str = "/counters/a/count";
const JSON: (&str, &str) = ("content-type", "application/json");

async fn post(toy: &Toy, uri: &str, body: &str, headers: &[(&str, &str)]) -> crate::toy::Answer {
    let headers = [&[JSON], headers].concat();
    toy.answer(request("POST", uri, &headers, body.to_owned())).await
}

#[tokio::test]
async fn a_valid_request_is_204_and_nothing_is_decided_or_recorded() {
    let toy = Toy::new();
    // 3 would be recorded, 109 refused, 103 forbidden, 100 a fault: that is for a decision to find.
    for by in [3, 109, 103, 104, 100] {
        let body = format!("{{\"by\":{by}}}");
        let answer = post(
            &toy,
            &format!("{PATH}?validate_only=true"),
            &body,
            &[("if-match", "\"7\"")],
        )
        .await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body[..]),
            (204, &b""[..]),
            "{by}: {answer:?}"
        );
        assert_eq!(answer.header("etag"), None);
        assert!(answer.header("x-correlation-id").is_some());
    }
    assert_eq!(toy.events().await.len(), 0);
}

#[tokio::test]
async fn it_takes_no_idempotency_key() {
    let toy = Toy::new();
    let key = [("idempotency-key", "k")];
    for _ in 0..2 {
        let answer = post(&toy, &format!("{PATH}?validate_only=true"), "{\"by\":3}", &key).await;
        assert_eq!(answer.status, 204);
    }
    let other = post(&toy, PATH, "{\"by\":4}", &key).await;
    assert_eq!(
        (other.status.as_u16(), other.header("idempotent-replayed")),
        (200, None)
    );
    // And it looks none up: the key is another command's by now.
    let answer = post(&toy, &format!("{PATH}?validate_only=true"), "{\"by\":3}", &key).await;
    assert_eq!(answer.status, 204);
    assert_eq!(toy.events().await.len(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_the_request_itself_is_answered_as_ever() {
    let toy = Toy::new();
    let validate = |uri: &str| format!("{uri}?validate_only=true");
    let fine = "{\"by\":3}";
    post(&toy, &validate(PATH), "{\"by\":300}", &[])
        .await
        .invalid("invalid-body", "/by");
    post(&toy, &validate(PATH), "{\"by\":3,\"x\":1}", &[])
        .await
        .invalid("invalid-body", "/x");
    post(&toy, &validate(PATH), "{", &[])
        .await
        .problem(400, "malformed-json");
    let path = validate("/counters/1/count");
    post(&toy, &path, fine, &[]).await.invalid("invalid-path", "/counter");
    let wrong = [("if-match", "x")];
    post(&toy, &validate(PATH), fine, &wrong)
        .await
        .invalid("invalid-header", "/if-match");
    let text = toy
        .answer(request(
            "POST",
            &validate(PATH),
            &[("content-type", "text/plain")],
            fine,
        ))
        .await;
    text.problem(415, "not-json");
    assert_eq!(toy.events().await.len(), 0);
}

#[tokio::test]
async fn a_commands_query_holds_nothing_else() {
    let toy = Toy::on(Edge::new(["toy"]));
    let fine = "{\"by\":3}";
    for value in ["", "1", "True", "yes", "%00", "true%20"] {
        let answer = post(&toy, &format!("{PATH}?validate_only={value}"), fine, &[]).await;
        answer.invalid("invalid-query", "/validate_only");
    }
    let both = post(
        &toy,
        &format!("{PATH}?validate_only=true&validate_only=false"),
        fine,
        &[],
    )
    .await;
    both.invalid("invalid-query", "/validate_only");
    for (query, pointer) in [
        ("dry_run=true", "/dry_run"),
        ("validate_only=true&x=1", "/x"),
        ("x", "/x"),
    ] {
        let answer = post(&toy, &format!("{PATH}?{query}"), fine, &[]).await;
        answer.invalid("invalid-query", pointer);
    }
    assert_eq!(toy.events().await.len(), 0);
    for uri in [
        PATH.to_owned(),
        format!("{PATH}?"),
        format!("{PATH}?validate_only=false"),
    ] {
        assert_eq!(post(&toy, &uri, fine, &[]).await.status, 200, "{uri}");
    }
    assert_eq!(toy.events().await.len(), 3);
}
