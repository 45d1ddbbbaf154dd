//! The ticket webhook in a whole topology: what it posts, parks and hands over again.

#![allow(dead_code, reason = "each topology's program uses a part of it")]

use std::collections::HashMap;

use callboard_kit::HandlerSettings;
use conformance::support::eventually;
use conformance::{Answer, Api, System, Topology};
use reqwest::Method;
use serde_json::{Value, json};
use tickets::ticket_webhook::receiver::{Behaviour, Receiver};

const PARKED: &str = "/admin/subscribers/tickets/ticket-webhook/parked";

/// Settings that post to this receiver, with little patience.
pub fn settings(receiver: &Receiver) -> HandlerSettings {
    HandlerSettings::default()
        .with("TICKET_WEBHOOK_URL", &receiver.url())
        .with("TICKET_WEBHOOK_GIVE_UP_SECONDS", "1")
}

async fn command(api: &Api, path: &str, body: &Value) -> Answer {
    let ask = api.command(Method::POST, path).header("callboard-roles", "lead");
    ask.body(body.to_string()).send().await.with_status(200)
}

/// A new ticket.
pub async fn add(api: &Api) -> String {
    let added = command(api, "/tickets/tickets", &json!({ "title": "No light" })).await;
    added.body["id"].as_str().expect("an id").to_owned()
}

pub async fn assign(api: &Api, ticket: &str, assignee: &str) {
    let path = format!("/tickets/tickets/{ticket}/assign_ticket");
    command(api, &path, &json!({ "assignee": assignee })).await;
}

async fn close(api: &Api, ticket: &str) {
    let path = format!("/tickets/tickets/{ticket}/close_ticket");
    command(api, &path, &json!({ "resolution": "A new bulb." })).await;
}

/// Waits until so many requests came in.
pub async fn until_received(receiver: &Receiver, count: usize) {
    eventually(&format!("{count} requests"), async || {
        (receiver.received().len() >= count).then_some(())
    })
    .await;
}

/// The tickets' events by their ids, as the feed shows them.
async fn events(api: &Api) -> HashMap<String, Value> {
    let feed = api
        .get("/logs/tickets/events?after=0&limit=1000")
        .send()
        .await
        .with_status(200);
    let events = feed
        .rows()
        .iter()
        .map(|event| (event["id"].as_str().expect("an id").to_owned(), event.clone()));
    events.collect()
}

/// What an ops listener says of the webhook.
async fn webhook(api: &Api, ops: std::net::SocketAddr) -> Value {
    let listed = api.ops(ops, "/admin/subscribers").await.with_status(200);
    let found = listed
        .rows()
        .iter()
        .find(|row| row["name"] == "ticket-webhook")
        .cloned();
    found.expect("it is listed")
}

/// Waits until an ops listener says that so many events are parked.
async fn until_parked(system: &System, count: usize) {
    for ops in system.ops() {
        eventually(&format!("{count} events are parked"), async || {
            (webhook(&system.api, ops).await["parked"] == count).then_some(())
        })
        .await;
    }
}

/// The webhook delivers, parks what the receiver refuses, and delivers that when it is asked to.
pub async fn delivers(topology: Topology) {
    let receiver = Receiver::start().await;
    let system = System::start_with(topology, settings(&receiver)).await;
    let api = &system.api;
    let (one, other) = (add(api).await, add(api).await);
    assign(api, &one, "ann").await;
    assign(api, &other, "bob").await;
    until_received(&receiver, 2).await;
    let feed = events(api).await;
    for received in receiver.received() {
        assert_eq!(&received.body, &feed[received.key()], "as the feed shows it");
    }

    receiver.always("poison", Behaviour::Status(503));
    assign(api, &one, "poison").await;
    close(api, &one).await;
    close(api, &other).await;
    until_parked(&system, 2).await;
    let of_other = receiver.received().iter().any(|received| {
        received.body["type"] == "TicketClosed" && received.body["stream"] == format!("ticket-{other}")
    });
    assert!(of_other, "other tickets go on");
    for ops in system.ops() {
        assert_eq!(webhook(api, ops).await["kind"], "event_handler");
        api.ops(ops, "/readyz").await.with_status(200);
        let parked = api.ops(ops, PARKED).await.with_status(200);
        let causes: Vec<_> = parked.rows().iter().map(|row| row["cause"].clone()).collect();
        assert_eq!(causes, ["failed", "behind"]);
    }
    hands_over_again(&system, &receiver).await;
    command(api, &format!("/tickets/tickets/{one}/reopen_ticket"), &json!({})).await;
    assign(api, &one, "carl").await;
    eventually("the ticket goes on", async || {
        let received = receiver.received();
        (received.last()?.body["data"]["assignee"] == "carl").then_some(())
    })
    .await;
    for replica in system.replicas {
        replica.stop().await;
    }
}

/// A retry fails while the receiver refuses, and goes in order once it doesn't, on whichever listener.
async fn hands_over_again(system: &System, receiver: &Receiver) {
    let (api, retry) = (&system.api, format!("{PARKED}/retry"));
    let all = json!({ "all": true });
    for ops in system.ops() {
        let failed = api.order(ops, &retry, &all).await.with_status(200);
        assert_eq!(failed.body["failed"], 1, "{failed:?}");
    }
    receiver.recover();
    let before = receiver.received().len();
    let ops = system.ops().next().expect("there is one");
    let retried = api.order(ops, &retry, &all).await.with_status(200);
    assert_eq!(retried.body["failed"], 0, "{retried:?}");
    let types: Vec<_> = receiver
        .received()
        .split_off(before)
        .iter()
        .map(|each| each.body["type"].clone())
        .collect();
    assert_eq!(types, ["TicketAssigned", "TicketClosed"], "in order");
    until_parked(system, 0).await;
}

/// An operator orders how often the webhook may post, on whichever ops listener; whoever runs it takes that up.
pub async fn is_limited(topology: Topology) {
    let receiver = Receiver::start().await;
    let system = System::start_with(topology, settings(&receiver)).await;
    let api = &system.api;
    let ticket = add(api).await;
    assign(api, &ticket, "ann").await;
    until_received(&receiver, 1).await;
    let rate = "/admin/subscribers/tickets/ticket-webhook/rate";
    let taken_up = async |limit: f64| {
        // Where the handler runs: the command service of a pair shows nothing of it.
        let ops = system.ops().last().expect("there is one");
        eventually(&format!("{limit} in a second"), async || {
            let name = "callboard_handler_rate_limit";
            (api.metric(ops, name, "ticket-webhook").await == limit).then_some(())
        })
        .await;
    };
    for (ops, limit) in system.ops().zip([7, 9]) {
        let ordered = api.order(ops, rate, &json!({ "events_per_second": limit })).await;
        assert_eq!(ordered.with_status(200).body["to"], limit);
        taken_up(f64::from(limit)).await;
        for ops in system.ops() {
            assert_eq!(webhook(api, ops).await["events_per_second"], limit);
        }
    }
    assign(api, &ticket, "bob").await;
    until_received(&receiver, 2).await;
    for ops in system.ops() {
        let none = json!({ "events_per_second": 0 });
        let problem = api.order(ops, rate, &none).await.problem(400, "invalid-body");
        assert_eq!(problem.body["errors"][0]["pointer"], "/events_per_second");
        let one = json!({ "events_per_second": 1 });
        let of = |name: &str| format!("/admin/subscribers/{name}/rate");
        for view in ["tickets/tickets", "finance/late-fees"] {
            api.order(ops, &of(view), &one).await.problem(409, "no-event-handler");
        }
        api.order(ops, &of("tickets/nobody"), &one)
            .await
            .problem(404, "not-found");
        let back = api.order(ops, rate, &json!({ "events_per_second": null })).await;
        back.with_status(200);
        taken_up(0.0).await;
    }
    system.stop().await;
}
