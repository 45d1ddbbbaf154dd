use axum::http::{HeaderMap, HeaderValue};
use callboard::Actor;
use callboard_http::{Authenticate, Edge, Problem, Unauthenticated};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::json;
use uuid::Uuid;

use crate::toy::Toy;

#[tokio::test]
async fn a_command_answers_its_receipt_with_its_position_and_version() {
    let toy = Toy::new();
    toy.count("b", 1).await;
    let answer = toy.post_count(3, &[]).await;
    assert_eq!(answer.status, 200);
    let id = toy.events().await[1].id;
    let receipt = json!({
        "log": "toy", "position": 2, "stream": "counter-a", "version": 1,
        "events": [{ "id": id, "type": "Counted", "position": 2, "stream": "counter-a", "version": 1 }],
    });
    assert_eq!(answer.json(), receipt);
    assert_eq!(answer.header("callboard-position"), Some("toy:2"));
    assert_eq!(answer.header("etag"), Some("\"1\""));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("idempotent-replayed"), None);
}

#[tokio::test]
async fn a_repeat_with_the_same_key_answers_the_same_receipt() {
    let toy = Toy::new();
    let first = toy.post_count(3, &[("idempotency-key", "k")]).await;
    let second = toy.post_count(3, &[("idempotency-key", "k")]).await;
    assert_eq!((second.status.as_u16(), second.json()), (200, first.json()));
    assert_eq!(second.header("idempotent-replayed"), Some("true"));
    assert_eq!(second.header("etag"), Some("\"1\""));
    assert_eq!(toy.events().await.len(), 1);
}

#[tokio::test]
async fn a_key_of_another_command_is_422() {
    let toy = Toy::new();
    toy.post_count(3, &[("idempotency-key", "k")]).await;
    toy.post_count(4, &[("idempotency-key", "k")])
        .await
        .problem(422, "idempotency-key-reused");
    assert_eq!(toy.events().await.len(), 1);
}

#[tokio::test]
async fn each_no_has_its_status_and_its_stable_type() {
    let toy = Toy::new();
    let refused = toy.post_count(109, &[]).await.problem(409, "counter-full");
    assert_eq!(
        (&refused["title"], &refused["detail"]),
        (&json!("Counter full"), &json!("The counter is full."))
    );
    toy.post_count(104, &[]).await.problem(404, "no-such-counter");
    assert_eq!(
        toy.post_count(103, &[]).await.problem(403, "forbidden")["detail"],
        "Not you."
    );
    assert_eq!(toy.events().await.len(), 0);
}

#[tokio::test]
async fn a_fault_answers_nothing_of_the_inside() {
    let toy = Toy::new();
    for answer in [toy.post_count(100, &[]).await, toy.get("/panic").await] {
        answer.problem(500, "fault");
        assert!(!String::from_utf8_lossy(&answer.body).contains("secret"), "{answer:?}");
        assert!(answer.header("x-correlation-id").is_some(), "{answer:?}");
    }
    assert_eq!(toy.post_count(1, &[]).await.status, 200, "the service lives");
}

#[tokio::test]
async fn if_match_takes_the_version_or_any_and_nothing_else() {
    let toy = Toy::new();
    toy.post_count(3, &[("if-match", "*")])
        .await
        .problem(412, "version-mismatch");
    assert_eq!(toy.post_count(3, &[("if-match", "\"0\"")]).await.status, 200);
    assert_eq!(toy.post_count(3, &[("if-match", "\"1\"")]).await.status, 200);
    assert_eq!(toy.post_count(3, &[("if-match", "*")]).await.status, 200);
    let stale = toy.post_count(3, &[("if-match", "\"1\"")]).await;
    stale.problem(412, "version-mismatch");
    assert_eq!(stale.header("etag"), Some("\"3\""));
    assert_eq!(toy.events().await.len(), 3);
}

#[tokio::test]
async fn a_header_that_cannot_be_parsed_is_400_and_named() {
    let toy = Toy::new();
    let (long, fits) = ("k".repeat(256), "k".repeat(255));
    let zeros = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
    let cases: &[(&str, &[&str])] = &[
        ("idempotency-key", &["", "a b", "a\tb", "ä", &long]),
        ("x-correlation-id", &["", "a b", "ä", &long]),
        (
            "if-match",
            &[
                "",
                "3",
                "W/\"3\"",
                "\"3\", \"4\"",
                "\"\"",
                "\"x\"",
                "\"-1\"",
                "\"03\"",
                "\"+3\"",
                "\"3",
                "\"99999999999999999999\"",
            ],
        ),
        (
            "traceparent",
            &[
                "",
                "x",
                &zeros,
                "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            ],
        ),
    ];
    for (name, values) in cases {
        for value in *values {
            toy.post_count(3, &[(name, value)])
                .await
                .invalid("invalid-header", &format!("/{name}"));
        }
        toy.post_count(3, &[(name, "*"), (name, "*")])
            .await
            .invalid("invalid-header", &format!("/{name}"));
    }
    assert_eq!(toy.events().await.len(), 0);
    assert_eq!(
        toy.post_count(3, &[("idempotency-key", &fits), ("x-correlation-id", &fits)])
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn correlation_and_trace_are_recorded_and_echoed() {
    let toy = Toy::new();
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let given = toy
        .post_count(3, &[("x-correlation-id", "mine"), ("traceparent", trace)])
        .await;
    assert_eq!(given.header("x-correlation-id"), Some("mine"));
    let made = toy.post_count(3, &[]).await;
    let made = made.header("x-correlation-id").unwrap();
    assert_eq!(made.parse::<Uuid>().unwrap().get_version_num(), 7);
    let events = toy.events().await;
    assert_eq!(events[0].metadata.correlation_id.as_deref(), Some("mine"));
    assert_eq!(events[0].metadata.traceparent.as_deref(), Some(trace));
    assert_eq!(events[0].metadata.actor, None);
    assert_eq!(events[1].metadata.correlation_id.as_deref(), Some(made));
    let refused = toy.post_count(109, &[("x-correlation-id", "mine")]).await;
    assert_eq!(refused.header("x-correlation-id"), Some("mine"));
}

/// `Authorization: <organisation>/<name>`.
struct Slashed;

impl Authenticate for Slashed {
    fn authenticate<'a>(&'a self, headers: &'a HeaderMap) -> BoxFuture<'a, Result<Actor, Problem>> {
        async {
            let given = headers
                .get("authorization")
                .and_then(|value| value.to_str().ok()?.split_once('/'));
            let (organisation, id) = given.ok_or_else(|| Unauthenticated {
                reason: "Say who you are.".into(),
                challenge: HeaderValue::from_static("Slashed"),
            })?;
            Ok(Actor {
                id: Some(id.into()),
                organisation: Some(organisation.into()),
                roles: Vec::new(),
            })
        }
        .boxed()
    }
}

#[tokio::test]
async fn authentication_comes_before_every_other_check() {
    let toy = Toy::on(Edge::new(["toy"]).authenticate_with(Slashed));
    let answer = toy.post_body("{", &[("if-match", "x"), ("idempotency-key", "")]).await;
    answer.problem(401, "unauthenticated");
    assert_eq!(answer.header("www-authenticate"), Some("Slashed"));
    toy.get_with("/counters?nonsense=1", &[("callboard-position", "x")])
        .await
        .problem(401, "unauthenticated");
    toy.get("/logs/none/events").await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_key_belongs_to_an_organisation_and_the_actor_is_recorded() {
    let toy = Toy::on(Edge::new(["toy"]).authenticate_with(Slashed));
    for (actor, events) in [("acme/ann", 1), ("acme/bob", 1), ("bolt/ann", 2)] {
        let answer = toy
            .post_count(3, &[("authorization", actor), ("idempotency-key", "k")])
            .await;
        assert_eq!(
            (answer.status.as_u16(), toy.events().await.len()),
            (200, events),
            "{actor}"
        );
    }
    assert_eq!(toy.events().await[1].metadata.actor.as_deref(), Some("ann"));
}

#[tokio::test]
async fn a_command_that_changes_nothing_has_no_events_and_the_present_position() {
    let toy = Toy::new();
    toy.count("b", 1).await;
    let receipt = toy.post_count(0, &[]).await.json();
    assert_eq!(
        receipt,
        json!({ "log": "toy", "position": 1, "stream": "counter-a", "version": 0, "events": [] })
    );
}

#[tokio::test]
async fn a_bad_path_parameter_names_itself_and_the_rule() {
    let toy = Toy::new();
    for uri in [
        "/counters/1/count",
        "/counters/%20/count",
        "/counters/%00/count",
        "/counters/a%2Fb/count",
    ] {
        let request = crate::toy::request("POST", uri, &[("content-type", "application/json")], "{\"by\":1}");
        let answer = toy.answer(request).await;
        answer.invalid("invalid-path", "/counter");
        assert_eq!(answer.json()["errors"][0]["detail"], "only letters");
    }
    let request = crate::toy::request("POST", "/counters/%ff/count", &[], "");
    toy.answer(request).await.invalid("invalid-path", "");
}

#[tokio::test]
async fn an_unknown_route_and_a_wrong_method_are_problems_too() {
    let toy = Toy::new();
    toy.get("/nowhere").await.problem(404, "no-such-route");
    let wrong = toy.get("/counters/a/count").await;
    wrong.problem(405, "method-not-allowed");
    assert_eq!(wrong.header("allow"), Some("POST"));
    let wrong = toy.answer(crate::toy::request("DELETE", "/counters", &[], "")).await;
    wrong.problem(405, "method-not-allowed");
    assert_eq!(wrong.header("allow"), Some("GET,HEAD"));
}
