use callboard::memory::MemoryLog;
use callboard::spec::record;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tickets::add_ticket::TicketAdded;
use tickets::close_ticket::TicketClosed;
use tickets::{Tickets, TicketsEvent};

use super::{ANN, BOB, ID, LEA, MAX, NOBODY, Service};

/// The commands that need no role, with a body each.
fn commands() -> [(&'static str, serde_json::Value); 4] {
    [
        ("retitle_ticket", json!({ "title": "Dark" })),
        ("assign_ticket", json!({ "assignee": "max" })),
        ("close_ticket", json!({ "resolution": "A new bulb." })),
        ("reopen_ticket", json!({})),
    ]
}

#[tokio::test]
async fn nobody_acts_outside_of_its_own_organisation() {
    let service = Service::new();
    service.added(ANN).await;
    for who in [MAX, NOBODY, ("ann", "", "lead"), ("ann", "Acme", "lead")] {
        for (verb, body) in commands() {
            let answer = service.post(verb, who, body).await;
            let reason = answer.problem(403, "forbidden");
            assert_eq!(reason, "The ticket belongs to another organisation.", "{who:?} {verb}");
        }
    }
    assert_eq!(service.events().await.len(), 1);
}

#[tokio::test]
async fn a_ticket_of_no_organisation_is_theirs_who_act_for_none() {
    let service = Service::new();
    service.added(NOBODY).await;
    service.done("retitle_ticket", NOBODY, json!({ "title": "Dark" })).await;
    let lead = ("lea", "", "lead");
    service.done("assign_ticket", lead, json!({ "assignee": "ann" })).await;
    service
        .post("retitle_ticket", ANN, json!({ "title": "x" }))
        .await
        .problem(403, "forbidden");
    service
        .done("close_ticket", ("ann", "", ""), json!({ "resolution": "A new bulb." }))
        .await;
}

#[tokio::test]
async fn only_agents_and_leads_assign() {
    let service = Service::new();
    service.added(ANN).await;
    let assign = |name: &str| json!({ "assignee": name });
    let answer = service.post("assign_ticket", ANN, assign("ann")).await;
    assert_eq!(
        answer.problem(403, "forbidden"),
        "Only an agent or a lead may assign a ticket."
    );
    service.done("assign_ticket", BOB, assign("ann")).await;
    service.done("assign_ticket", LEA, assign("bob")).await;
    service
        .done("assign_ticket", ("mia", "acme", "janitor,agent"), assign("mia"))
        .await;
}

#[tokio::test]
async fn only_the_assignee_or_a_lead_closes() {
    let service = Service::new();
    service.added(ANN).await;
    let resolution = || json!({ "resolution": "A new bulb." });
    service.done("assign_ticket", BOB, json!({ "assignee": "ann" })).await;
    for who in [BOB, ("", "acme", "agent")] {
        let answer = service.post("close_ticket", who, resolution()).await;
        let reason = answer.problem(403, "forbidden");
        assert_eq!(reason, "Only the ticket's assignee or a lead may close it.");
    }
    service.done("close_ticket", ANN, resolution()).await;
    service.done("reopen_ticket", BOB, json!({})).await;
    service.done("close_ticket", LEA, resolution()).await;
}

#[tokio::test]
async fn what_was_closed_over_30_days_ago_is_reopened_by_a_lead_only() {
    let log = MemoryLog::new();
    let closed_at = Timestamp::now() - SignedDuration::from_hours(31 * 24);
    let past: [TicketsEvent; 2] = [
        TicketAdded {
            ticket: ID.parse().unwrap(),
            organisation: Some("acme".into()),
            title: "No light".parse().unwrap(),
            description: Default::default(),
        }
        .into(),
        TicketClosed {
            ticket: ID.parse().unwrap(),
            resolution: "A new bulb.".parse().unwrap(),
            closed_at,
        }
        .into(),
    ];
    let stream = format!("ticket-{ID}");
    record::<Tickets>(&log, &past.map(|event| (&*stream, event))).await;
    let service = Service::on(log);
    for who in [ANN, BOB] {
        let answer = service.post("reopen_ticket", who, json!({})).await;
        let reason = answer.problem(403, "forbidden");
        assert_eq!(
            reason,
            "The ticket was closed over 30 days ago: only a lead may reopen it."
        );
    }
    service.done("reopen_ticket", LEA, json!({})).await;
    service
        .done("close_ticket", LEA, json!({ "resolution": "And another one." }))
        .await;
    service.done("reopen_ticket", ANN, json!({})).await;
}

#[tokio::test]
async fn who_did_it_stands_in_the_event() {
    let service = Service::new();
    service.added(ANN).await;
    service
        .done("retitle_ticket", ("", "acme", ""), json!({ "title": "Dark" }))
        .await;
    let events = service.events().await;
    let actors: Vec<_> = events.iter().map(|event| event.metadata.actor.as_deref()).collect();
    assert_eq!(actors, [Some("ann"), None]);
}

#[tokio::test]
async fn a_wrong_header_is_named_and_nothing_is_recorded() {
    let service = Service::new();
    for (who, name) in [
        (("a b", "acme", ""), "callboard-actor"),
        (("ann", "a b", ""), "callboard-organisation"),
        (("ann", "acme", "agent,,lead"), "callboard-roles"),
    ] {
        let answer = service.add(who, json!({ "title": "No light" })).await;
        answer.invalid("invalid-header", &format!("/{name}"));
    }
    assert_eq!(service.events().await.len(), 0);
}
