//! Requests about tickets that are wrong or refused, and creations that are repeated.

use std::collections::BTreeSet;

use futures::future::join_all;
use serde_json::{Value, json};
use tickets::factory::Factory;

use super::{ANN, LEA, LIST, LOG, add, added, command, head, one};
use crate::api::Api;
use crate::system::System;
use crate::transcript::Transcript;

/// Each command with its field, and texts that are none for it.
fn wrong_texts() -> Vec<(&'static str, &'static str, Vec<Value>)> {
    let long = |count| json!("ä".repeat(count));
    vec![
        (
            "retitle_ticket",
            "title",
            vec![json!(""), json!(" "), json!("a\nb"), json!("\u{7f}"), long(201)],
        ),
        (
            "assign_ticket",
            "assignee",
            vec![json!(""), json!("a b"), json!("ä"), json!("a".repeat(256))],
        ),
        (
            "close_ticket",
            "resolution",
            vec![json!(""), json!("\n \t"), json!("\u{1b}"), long(1_001)],
        ),
    ]
}

pub(crate) async fn requests(system: &System) -> Transcript {
    let (api, mut answers) = (&system.api, Transcript::new());
    let ticket = Factory::new(4).ticket();
    added(api, &ANN, ticket, "No light").await;
    let before = head(api).await;
    for (verb, field, texts) in wrong_texts() {
        let others = [json!(1), json!(1.5), json!(null), json!(true), json!(["x"]), json!({})];
        for wrong in texts.into_iter().chain(others) {
            let answer = command(api, &LEA, ticket, verb, &json!({ field: wrong })).send().await;
            let answer = answer.problem(400, "invalid-body").at(&format!("/{field}"));
            answers.note(verb, answer);
        }
        for (body, pointer) in [(json!({}), field), (json!({ field: "x", "colour": "red" }), "colour")] {
            let answer = command(api, &LEA, ticket, verb, &body).send().await;
            answers.note(verb, answer.problem(400, "invalid-body").at(&format!("/{pointer}")));
        }
    }
    let field = command(api, &LEA, ticket, "reopen_ticket", &json!({ "x": 1 }))
        .send()
        .await;
    answers.note("reopen_ticket", field.problem(400, "invalid-body").at("/x"));
    wrong_creations(api, &mut answers).await;
    wrong_ids(api, &mut answers).await;
    assert_eq!(head(api).await, before, "nothing was recorded");
    refusals(api, &mut answers).await;
    answers
}

async fn wrong_creations(api: &Api, answers: &mut Transcript) {
    for (body, pointer) in [
        (json!({}), "/title"),
        (json!({ "title": "" }), "/title"),
        (json!({ "title": "x".repeat(201) }), "/title"),
        (
            json!({ "title": "x", "description": "x".repeat(10_001) }),
            "/description",
        ),
        (json!({ "title": "x", "description": "\u{0}" }), "/description"),
        (json!({ "title": "x", "description": null }), "/description"),
        (json!({ "title": "x", "id": "" }), "/id"),
        (json!({ "title": "x", "id": 7 }), "/id"),
        (
            json!({ "title": "x", "id": "00000000-0000-0000-0000-000000000000" }),
            "/id",
        ),
        (json!({ "title": "x", "id": "0192d9a47b8e7c3f8d2a5f6e7a8b9c0d" }), "/id"),
        (json!({ "title": "x", "organisation": "acme" }), "/organisation"),
    ] {
        let answer = add(api, &ANN, &body).send().await.with_status(400).at(pointer);
        answers.note(format!("add {pointer}"), answer);
    }
}

async fn wrong_ids(api: &Api, answers: &mut Transcript) {
    let unknown = Factory::new(5).ticket();
    for (verb, body) in [
        ("retitle_ticket", json!({ "title": "x" })),
        ("assign_ticket", json!({ "assignee": "x" })),
        ("close_ticket", json!({ "resolution": "x" })),
        ("reopen_ticket", json!({})),
    ] {
        for wrong in [
            "x",
            "0192d9a47b8e7c3f8d2a5f6e7a8b9c0d",
            "00000000-0000-0000-0000-000000000000",
            "%00",
        ] {
            let answer = command(api, &LEA, wrong, verb, &body).send().await;
            answers.note(verb, answer.problem(400, "invalid-path").at("/id"));
        }
        let answer = command(api, &LEA, unknown, verb, &body).send().await;
        answers.note(verb, answer.problem(404, "no-such-ticket"));
    }
    let answer = api.get(&format!("{LIST}/x")).send().await;
    answers.note("one", answer.problem(400, "invalid-path").at("/id"));
    answers.note("one", one(api, &ANN, unknown, 0).send().await.problem(404, "not-found"));
}

/// The rules say no, and what is so already records nothing.
async fn refusals(api: &Api, answers: &mut Transcript) {
    let ticket = Factory::new(6).ticket();
    added(api, &ANN, ticket, "No light").await;
    let taken = add(api, &ANN, &json!({ "id": ticket, "title": "Again" })).send().await;
    answers.note("taken", taken.problem(409, "ticket-exists"));
    let open = command(api, &LEA, ticket, "reopen_ticket", &json!({})).send().await;
    answers.note("open", open.problem(409, "ticket-not-closed"));
    let assign = || command(api, &LEA, ticket, "assign_ticket", &json!({ "assignee": "ann" }));
    let assigned = assign().send().await.done_in(LOG);
    let again = assign().send().await.done_in(LOG);
    assert_eq!(
        (again.body["events"].clone(), again.position()),
        (json!([]), assigned.position())
    );
    let resolution = json!({ "resolution": "A new bulb." });
    command(api, &ANN, ticket, "close_ticket", &resolution)
        .send()
        .await
        .done_in(LOG);
    for (verb, body) in [
        ("retitle_ticket", json!({ "title": "x" })),
        ("assign_ticket", json!({ "assignee": "ann" })),
        ("close_ticket", resolution),
    ] {
        let answer = command(api, &LEA, ticket, verb, &body).send().await;
        answers.note(verb, answer.problem(409, "ticket-closed"));
    }
}

pub(crate) async fn creations(system: &System) -> Transcript {
    let (api, mut answers) = (&system.api, Transcript::new());
    let before = head(api).await;
    // The service makes the id, and all who repeat the request hear of the same one.
    let body = json!({ "title": "Made" });
    let all = join_all((0..16).map(|_| add(api, &ANN, &body).key("made").send())).await;
    let all: Vec<_> = all.into_iter().map(|answer| answer.done_in(LOG)).collect();
    assert_eq!(all.iter().filter(|answer| !answer.is_replayed()).count(), 1);
    let ids: BTreeSet<_> = all.iter().map(|answer| answer.body["id"].to_string()).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let other = add(api, &ANN, &json!({ "title": "Other" })).key("made").send().await;
    answers.note("another title", other.problem(422, "idempotency-key-reused"));
    // Of another organisation, the key is another one.
    let theirs = add(api, &super::MAX, &body).key("made").send().await.done_in(LOG);
    assert!(!theirs.is_replayed() && theirs.body["id"] != all[0].body["id"]);
    // The client makes it.
    let named = json!({ "id": Factory::new(7).ticket(), "title": "Named" });
    let first = add(api, &ANN, &named).key("named").send().await.done_in(LOG);
    let again = add(api, &ANN, &named).key("named").send().await.done_in(LOG);
    assert!(again.is_replayed() && again.body == first.body);
    answers.note("named", again);
    let taken = add(api, &ANN, &named).key("named again").send().await;
    taken.problem(400, "invalid-header");
    let taken = add(api, &ANN, &named).key("named-again").send().await;
    answers.note("taken", taken.problem(409, "ticket-exists"));
    assert_eq!(head(api).await, before + 3);
    answers
}
