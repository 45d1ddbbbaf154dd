//! Where events come from: from the request, through the log, to what a process manager makes of it.

use serde_json::{Value, json};

use crate::system::System;
use crate::transcript::Transcript;

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

pub(super) async fn metadata(system: &System) -> Transcript {
    let (api, mut answers) = (&system.api, Transcript::new());
    let before = api.head().await;
    api.increase("traced", 50).send().await.done();
    let ask = api.ship("traced", 49).header("x-correlation-id", "walk-1");
    let shipped = ask.header("traceparent", TRACEPARENT).send().await.done();
    let shipped = answers.note("shipped", shipped);
    assert_eq!(shipped.header("x-correlation-id"), "walk-1");
    let notified = api.notified(shipped.position()).await;

    let events = api.events(before).await;
    let from = |event: &Value| event["metadata"].clone();
    assert_eq!(
        from(&events[1]),
        json!({ "correlation_id": "walk-1", "causation_id": null, "actor": null, "traceparent": TRACEPARENT })
    );
    assert_eq!(events[2]["position"], notified);
    assert_eq!(
        from(&events[2]),
        json!({
            "correlation_id": "walk-1",
            "causation_id": events[1]["id"],
            "actor": "pm:low-product-quantity-notification",
            "traceparent": TRACEPARENT,
        })
    );
    // Without one, the service makes one and says which.
    let made = api.increase("traced", 1).send().await.done();
    let id = made.header("x-correlation-id").to_owned();
    let event = &api.events(made.position() - 1).await[0];
    assert_eq!(from(event)["correlation_id"], id);
    assert!(uuid::Uuid::try_parse(&id).is_ok(), "{id}");

    let long = "c".repeat(256);
    for (name, value) in [
        ("x-correlation-id", ""),
        ("x-correlation-id", "a b"),
        ("x-correlation-id", &long),
        ("traceparent", "x"),
        ("traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
        ("traceparent", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ] {
        let answer = api.increase("traced", 1).header(name, value).send().await;
        answers.note(name, answer.problem(400, "invalid-header").at(&format!("/{name}")));
    }
    assert_eq!(api.head().await, made.position(), "nothing was recorded");
    // A refusal is an answer with a correlation id as well.
    let refused = api
        .ship("traced", 1_000)
        .header("x-correlation-id", "walk-2")
        .send()
        .await;
    assert_eq!(refused.header("x-correlation-id"), "walk-2");
    answers
}
