//! Who may do what with a ticket, and who sees it.

use serde_json::{Value, json};
use tickets::factory::Factory;
use tickets::ticket::TicketId;

use super::{ANN, BOB, LEA, LIST, LOG, MAX, NOBODY, added, command, head, one, who};
use crate::api::{Api, Who};
use crate::system::System;
use crate::transcript::Transcript;

const OUTSIDE: &str = "The ticket belongs to another organisation.";
const ASSIGN: &str = "Only an agent or a lead may assign a ticket.";
const CLOSE: &str = "Only the ticket's assignee or a lead may close it.";

pub(crate) async fn actors(system: &System) -> Transcript {
    let (api, mut answers) = (&system.api, Transcript::new());
    let ticket = Factory::new(2).ticket();
    let resolution = json!({ "resolution": "A new bulb." });
    added(api, &ANN, ticket, "No light").await;
    let before = head(api).await;
    let refused = [
        (MAX, "retitle_ticket", json!({ "title": "x" }), OUTSIDE),
        (NOBODY, "retitle_ticket", json!({ "title": "x" }), OUTSIDE),
        (MAX, "assign_ticket", json!({ "assignee": "max" }), OUTSIDE),
        (MAX, "close_ticket", resolution.clone(), OUTSIDE),
        (MAX, "reopen_ticket", json!({}), OUTSIDE),
        (ANN, "assign_ticket", json!({ "assignee": "ann" }), ASSIGN),
        (
            who("ann", "acme", "Agent"),
            "assign_ticket",
            json!({ "assignee": "ann" }),
            ASSIGN,
        ),
        (ANN, "close_ticket", resolution.clone(), CLOSE),
        (BOB, "close_ticket", resolution.clone(), CLOSE),
    ];
    for (who, verb, body, reason) in refused {
        let answer = command(api, &who, ticket, verb, &body)
            .send()
            .await
            .problem(403, "forbidden");
        assert_eq!(answers.note(verb, answer).body["detail"], reason);
    }
    // Before If-Match and the rules.
    let stale = command(api, &ANN, ticket, "assign_ticket", &json!({ "assignee": "ann" })).if_version(7);
    answers.note("before If-Match", stale.send().await.problem(403, "forbidden"));
    assert_eq!(head(api).await, before, "nothing was recorded");

    done(api, &BOB, ticket, "assign_ticket", json!({ "assignee": "ann" })).await;
    done(api, &ANN, ticket, "close_ticket", resolution.clone()).await;
    done(api, &BOB, ticket, "reopen_ticket", json!({})).await;
    done(api, &LEA, ticket, "assign_ticket", json!({ "assignee": "bob" })).await;
    let no_longer = command(api, &ANN, ticket, "close_ticket", &resolution).send().await;
    assert_eq!(no_longer.problem(403, "forbidden").body["detail"], CLOSE);
    done(api, &LEA, ticket, "close_ticket", resolution).await;
    seen(api, &mut answers, ticket).await;
    headers(api, &mut answers).await;
    answers
}

async fn done(api: &Api, who: &Who, ticket: TicketId, verb: &str, body: Value) {
    command(api, who, ticket, verb, &body).send().await.done_in(LOG);
}

/// Only its own organisation sees a ticket, alone or in a list.
async fn seen(api: &Api, answers: &mut Transcript, acmes: TicketId) {
    let mut factory = Factory::new(3);
    let (bolts, nobodys) = (factory.ticket(), factory.ticket());
    added(api, &MAX, bolts, "Bolt's").await;
    let head = added(api, &NOBODY, nobodys, "Nobody's").await.position();
    let all = [(ANN, acmes), (MAX, bolts), (NOBODY, nobodys)];
    for (who, own) in &all {
        for (_, ticket) in &all {
            let answer = one(api, who, *ticket, head).send().await;
            let answer = match ticket == own {
                true => answer.with_status(200),
                false => answer.problem(404, "not-found"),
            };
            answers.note(format!("{} asks", who.name), answer);
            let path = format!("{LIST}?limit=500");
            let listed = api.get(&path).by(who).at_of(LOG, head).send().await.with_status(200);
            let shown = listed.rows().iter().any(|row| row["id"] == ticket.to_string());
            assert_eq!(shown, ticket == own, "{who:?}");
        }
    }
}

/// Headers that name nobody are refused by name, on both sides.
async fn headers(api: &Api, answers: &mut Transcript) {
    let long = "a".repeat(256);
    for name in ["callboard-actor", "callboard-organisation", "callboard-roles"] {
        for value in ["", "a b", &long] {
            let command = super::add(api, &NOBODY, &json!({ "title": "x" })).header(name, value);
            let command = command.send().await.problem(400, "invalid-header");
            answers.note(name, command.at(&format!("/{name}")));
            let query = api.get(LIST).header(name, value).send().await;
            answers.note(name, query.problem(400, "invalid-header").at(&format!("/{name}")));
        }
    }
}
