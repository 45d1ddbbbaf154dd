//! The walk: added, assigned, retitled, closed, reopened, closed again, with all of it in its history.

use serde_json::{Value, json};
use tickets::factory::Factory;

use super::{ANN, BOB, LEA, LOG, command, head, one};
use crate::system::System;
use crate::transcript::Transcript;

pub(crate) async fn walk(system: &System) -> Transcript {
    let (api, mut answers) = (&system.api, Transcript::new());
    let before = head(api).await;
    let ticket = Factory::new(1).ticket();
    let body = json!({ "id": ticket, "title": "No light", "description": "Since this\nmorning." });
    let added = super::add(api, &ANN, &body).send().await.done_in(LOG);
    let added = answers.note("added", added);
    assert_eq!((added.position(), added.version()), (before + 1, 1));
    assert_eq!(added.body["id"], ticket.to_string());
    assert_eq!(added.body["stream"], format!("ticket-{ticket}"));
    let steps = [
        (BOB, "assign_ticket", json!({ "assignee": "ann" })),
        (ANN, "retitle_ticket", json!({ "title": "No light in the hall" })),
        (ANN, "close_ticket", json!({ "resolution": "A new bulb." })),
        (BOB, "reopen_ticket", json!({})),
        (LEA, "close_ticket", json!({ "resolution": "And a new switch." })),
    ];
    for ((who, verb, body), version) in steps.iter().zip(2..) {
        let done = command(api, who, ticket, verb, body).send().await.done_in(LOG);
        assert_eq!(answers.note(*verb, done).version(), version);
    }
    let last = before + 6;
    let shown = one(api, &BOB, ticket, last).send().await.with_status(200);
    let shown = answers.note("shown", shown);
    assert_eq!(shown.header("callboard-position"), format!("tickets:{last}"));
    let fields = [
        "title",
        "description",
        "status",
        "assignee",
        "resolution",
        "added_by",
        "version",
    ];
    assert_eq!(
        json!(fields.map(|field| &shown.body[field])),
        json!([
            "No light in the hall",
            "Since this\nmorning.",
            "closed",
            "ann",
            "And a new switch.",
            "ann",
            6
        ])
    );
    let history: Vec<_> = shown.body["history"]
        .as_array()
        .expect("a list")
        .iter()
        .map(told)
        .collect();
    assert_eq!(
        history,
        [
            json!([1, "TicketAdded", "ann", "No light"]),
            json!([2, "TicketAssigned", "bob", "ann"]),
            json!([3, "TicketRetitled", "ann", "No light in the hall"]),
            json!([4, "TicketClosed", "ann", "A new bulb."]),
            json!([5, "TicketReopened", "bob", null]),
            json!([6, "TicketClosed", "lea", "And a new switch."]),
        ]
    );
    let events = api.events_of(LOG, before).await;
    let times: Vec<_> = events.iter().map(|event| &event["recorded_at"]).collect();
    assert_eq!(
        (&shown.body["added_at"], &shown.body["changed_at"]),
        (times[0], times[5])
    );
    let actors: Vec<_> = events.iter().map(|event| event["metadata"]["actor"].clone()).collect();
    assert_eq!(actors, ["ann", "bob", "ann", "ann", "bob", "lea"]);
    assert_eq!(events[0]["data"]["organisation"], "acme");
    // A position of another log is none of this view's business.
    let both = format!("warehouse:999999, tickets:{last}");
    let ask = api.get("/tickets/tickets").by(&ANN).header("callboard-position", &both);
    let listed = answers.note("listed", ask.send().await.with_status(200));
    let mut summary = shown.body.clone();
    for field in ["description", "history"] {
        summary.as_object_mut().expect("an object").remove(field);
    }
    assert!(listed.rows().contains(&summary), "{listed:?}");
    answers
}

/// Version, event, actor and what it changed.
fn told(entry: &Value) -> Value {
    let changed = ["title", "assignee", "resolution"];
    let changed = changed.iter().find_map(|field| entry.get(field));
    json!([entry["version"], entry["event"], entry["actor"], changed])
}
