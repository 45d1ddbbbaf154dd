//! One request, followed by its correlation id from HTTP through Postgres and RabbitMQ to the read
//! table.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::collections::BTreeMap;

use callboard::subscription::{Connect, Feed};
use callboard_rabbitmq::QueueFeeds;
use serde_json::{Value, json};
use support::{Process, World, eventually};
use tickets::ticket_webhook::receiver::Receiver;

const CORRELATION: &str = "followed-everywhere-1";
const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

async fn send(http: &str, verb: &str, quantity: u64) -> Value {
    let request = reqwest::Client::new()
        .post(format!("http://{http}/warehouse/products/abc/{verb}"))
        .header("X-Correlation-Id", CORRELATION)
        .header("traceparent", TRACEPARENT)
        .json(&json!({ "quantity": quantity }));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["X-Correlation-Id"], CORRELATION);
    answer.json().await.unwrap()
}

/// Waits for a log line that is so.
async fn line(process: &Process, what: &str, so: impl Fn(&Value) -> bool) -> Value {
    eventually(what, || async {
        process
            .logs()
            .into_iter()
            .find(|line| so(line))
            .ok_or_else(|| process.stderr())
    })
    .await
}

/// The span of this name around a log line.
fn span<'a>(line: &'a Value, name: &str) -> &'a Value {
    let spans = line["spans"].as_array().into_iter().flatten();
    spans.clone().find(|span| span["name"] == name).unwrap_or(&Value::Null)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_can_be_followed_to_the_read_table() {
    let world = World::new().await.with("RUST_LOG", "debug");
    // As anybody may: a queue of one's own, bound to everything.
    let broker = world.sandbox.broker();
    let mut feeds = QueueFeeds::new(&broker, &world.sandbox.topology, "warehouse", "observer");
    let mut observer = feeds.connect().await.unwrap();
    let (command, http) = world.started("callboard-command", &["--no-migrate"]).await;
    let (projector, _) = world.started("callboard-projector", &["--no-migrate"]).await;
    send(&http, "increase_quantity", 9).await;
    let receipt = send(&http, "ship_quantity", 7).await;
    let shipped = receipt["events"][0]["id"].as_str().unwrap();

    // The command service's log.
    let answered = line(&command, "the request is logged", |line| {
        span(line, "http_request")["correlation_id"] == CORRELATION
    })
    .await;
    assert_eq!(span(&answered, "http_request")["method"], "POST", "{answered}");

    // The event's metadata in Postgres; that of the notification that it caused.
    world.settled().await;
    eventually("the notification is in the log", || async {
        let head = world.head().await;
        if head == 3 { Ok(()) } else { Err(format!("head {head}")) }
    })
    .await;
    let of = |field: &str| {
        format!(
            "select coalesce(metadata ->> '{field}', '-') from callboard.events where log = 'warehouse' order by position"
        )
    };
    assert_eq!(world.database.texts(&of("correlation_id")).await, [CORRELATION; 3]);
    assert_eq!(world.database.texts(&of("traceparent")).await, [TRACEPARENT; 3]);
    assert_eq!(world.database.texts(&of("causation_id")).await, ["-", "-", shipped]);

    // The message on RabbitMQ.
    // A relay may repeat itself.
    let mut messages = BTreeMap::new();
    while messages.len() < 3 {
        let deliveries = tokio::time::timeout(support::PATIENCE, observer.next()).await;
        let deliveries = deliveries.expect("messages come").unwrap();
        let events = deliveries.into_iter().map(|delivery| delivery.event.unwrap());
        messages.extend(events.map(|event| (event.position.get(), event)));
        observer.settle(&[]).await.unwrap();
    }
    for message in messages.values() {
        assert_eq!(message.metadata.correlation_id.as_deref(), Some(CORRELATION));
        assert_eq!(message.metadata.traceparent.as_deref(), Some(TRACEPARENT));
    }
    assert_eq!(messages[&3].metadata.causation_id.unwrap().to_string(), shipped);

    // The projector's log of the apply: what the unit of work was, and which events it applied.
    for (subscriber, position) in [("products", "2"), ("low_stock", "3")] {
        let applied = line(&projector, "the apply is logged", |line| {
            line["message"] == "applied"
                && line["position"] == position
                && span(line, "apply")["subscriber"] == subscriber
        })
        .await;
        assert_eq!(applied["correlation_id"], CORRELATION, "{applied}");
        let apply = span(&applied, "apply");
        assert_eq!(apply["log"], "warehouse", "{apply}");
        for field in ["from", "to", "events"] {
            assert!(!apply[field].is_null(), "{field}: {apply}");
        }
    }
    // The process manager's command is a unit of its own.
    let dispatched = line(&command, "the command is logged", |line| {
        !span(line, "dispatch").is_null()
    })
    .await;
    let dispatch = span(&dispatched, "dispatch");
    assert_eq!(
        (&dispatch["correlation_id"], &dispatch["causation_id"]),
        (&json!(CORRELATION), &json!(shipped))
    );
}

/// Assigns a ticket, which is posted.
async fn post_a_ticket(http: &str, receiver: &Receiver) {
    let client = reqwest::Client::new();
    let post = async |path: &str, body: Value| {
        let request = client.post(format!("http://{http}/tickets/tickets{path}")).json(&body);
        let answer = request.header("callboard-roles", "lead").send().await.unwrap();
        answer.json::<Value>().await.unwrap()
    };
    let ticket = post("", json!({ "title": "No light" })).await["id"].clone();
    let assign = format!("/{}/assign_ticket", ticket.as_str().unwrap());
    post(&assign, json!({ "assignee": "ann" })).await;
    eventually("it is posted", || async {
        let received = receiver.received().len();
        if received > 0 { Ok(()) } else { Err("nothing is".into()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_password_key_or_token_is_in_the_logs_at_any_level() {
    const NEVER: [&str; 2] = ["a-key-that-nobody-logs", "a-token-that-nobody-logs"];
    let receiver = Receiver::start().await;
    let world = World::new().await.with("RUST_LOG", "trace");
    let world = world.with("TICKET_WEBHOOK_URL", &receiver.url());
    let world = world.with("TICKET_WEBHOOK_SECRET", "a-webhook-secret-that-nobody-logs");
    let (command, http) = world.started("callboard-command", &["--no-migrate"]).await;
    let (projector, _) = world.started("callboard-projector", &["--no-migrate"]).await;
    let send = |body: Value| {
        let request = reqwest::Client::new()
            .post(format!("http://{http}/warehouse/products/abc/increase_quantity"))
            .header("Idempotency-Key", NEVER[0])
            .header("Authorization", format!("Bearer {}", NEVER[1]))
            .json(&body);
        async { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(send(json!({ "quantity": 9 })).await, 200);
    assert_eq!(send(json!({ "quantity": 9 })).await, 200, "once more");
    assert_eq!(
        send(json!({ "quantity": 8 })).await,
        422,
        "another command with the same key"
    );
    assert_eq!(send(json!({ "quantity": -1 })).await, 400);
    post_a_ticket(&http, &receiver).await;
    world.settled().await;
    line(&command, "it says everything", |line| line["level"] == "TRACE").await;
    // Each of them also looks for passwords and the secret in what it said, when it is dropped.
    for said in [command.stderr(), projector.stderr()] {
        for secret in NEVER {
            let shown = said.lines().find(|line| line.contains(secret));
            assert!(shown.is_none(), "{shown:?}");
        }
    }
}
