//! The board: filters, pages while tickets change, and pages of a long history.

use std::collections::BTreeSet;

use callboard::Command;
use serde_json::{Value, json};
use tickets::close_ticket::CloseTicket;
use tickets::factory::Factory;
use tickets::ticket::TicketId;

use super::{LIST, LOG, added, command, made, who};
use crate::api::{Api, Who};
use crate::system::System;
use crate::transcript::Transcript;

/// Somebody who may do everything, in an organisation of this part's own.
const EVA: Who = who("eva", "crew", "lead");

pub(crate) async fn board(system: &System) -> Transcript {
    let (api, mut answers) = (&system.api, Transcript::new());
    let mut factory = Factory::new(8);
    let mut random = fastrand::Rng::with_seed(8);
    let there: Vec<TicketId> = (0..25).map(|_| factory.ticket()).collect();
    let mut head = 0;
    for (ticket, number) in there.iter().zip(0..) {
        head = added(api, &EVA, *ticket, &format!("Ticket {number}")).await.position();
    }
    let (mut met, mut next) = (Vec::new(), Some(format!("{LIST}?limit=4")));
    while let Some(path) = next {
        let page = api.get(&path).by(&EVA).at_of(LOG, head).send().await.with_status(200);
        let page = answers.note("a page", page);
        met.extend(
            page.rows()
                .iter()
                .map(|row| row["id"].as_str().expect("text").to_owned()),
        );
        next = page.next();
        for _ in 0..5 {
            let ticket = there[random.usize(..there.len())];
            let answer = made(api, &EVA, factory.any_request(ticket)).send().await;
            assert!([200, 409].contains(&answer.status), "{answer:?}");
            if answer.status == 200 {
                head = head.max(answer.done_in(LOG).position());
            }
        }
        if met.len() < 24 {
            head = made(api, &EVA, factory.add_ticket())
                .send()
                .await
                .done_in(LOG)
                .position();
        }
    }
    let names: Vec<_> = there.iter().map(ToString::to_string).collect();
    assert_eq!(
        met[..there.len()],
        names,
        "each once, in the order in which they were added"
    );
    assert!(met.len() > there.len(), "and what was added meanwhile");
    filters(api, &mut answers, head).await;
    open_ones(api, &mut answers, &mut factory, head).await;
    history(api, &mut answers, there[0]).await;
    answers
}

/// A walk over the open ones, while some are closed, others reopened or added.
async fn open_ones(api: &Api, answers: &mut Transcript, factory: &mut Factory, mut head: u64) {
    let ids = |rows: &[Value]| -> Vec<String> {
        let ids = rows.iter().map(|row| row["id"].as_str().expect("text").to_owned());
        ids.collect()
    };
    let all: Vec<TicketId> = ids(&listed(api, "", head).await)
        .iter()
        .map(|id| id.parse().expect("an id"))
        .collect();
    let mut stayed: BTreeSet<String> = ids(&listed(api, "&status=open", head).await).into_iter().collect();
    let (there, mut random) = (stayed.len(), fastrand::Rng::with_seed(9));
    let (mut met, mut next) = (Vec::new(), Some(format!("{LIST}?limit=2&status=open")));
    while let Some(path) = next {
        let page = api.get(&path).by(&EVA).at_of(LOG, head).send().await.with_status(200);
        let page = answers.note("a page of open ones", page);
        assert!(page.rows().iter().all(|row| row["status"] == "open"), "{page:?}");
        met.extend(ids(page.rows()));
        next = page.next();
        for _ in 0..4 {
            let ticket = all[random.usize(..all.len())];
            let request = factory.any_request(ticket);
            let command = request.command;
            let answer = made(api, &EVA, request).send().await;
            if answer.status != 200 {
                continue;
            }
            head = head.max(answer.done_in(LOG).position());
            if command == CloseTicket::NAME {
                stayed.remove(&ticket.to_string());
            }
        }
        if met.len() < there {
            let added = made(api, &EVA, factory.add_ticket()).send().await;
            head = added.done_in(LOG).position();
        }
    }
    let once: BTreeSet<_> = met.iter().cloned().collect();
    assert_eq!(once.len(), met.len(), "none is met twice");
    assert!(stayed.is_subset(&once), "what stayed open is met: {stayed:?}, {met:?}");
    assert!(
        !stayed.is_empty() && stayed.len() < there,
        "{} of {there} stayed open",
        stayed.len()
    );
}

/// What is listed, from this position on, all pages together.
async fn listed(api: &Api, query: &str, head: u64) -> Vec<Value> {
    let (mut rows, mut next) = (Vec::new(), Some(format!("{LIST}?limit=3{query}")));
    while let Some(path) = next {
        let page = api.get(&path).by(&EVA).at_of(LOG, head).send().await.with_status(200);
        rows.extend_from_slice(page.rows());
        next = page.next();
    }
    rows
}

async fn filters(api: &Api, answers: &mut Transcript, head: u64) {
    let all = listed(api, "", head).await;
    for status in ["open", "closed"] {
        let of_status: Vec<_> = all.iter().filter(|row| row["status"] == status).cloned().collect();
        assert!(!of_status.is_empty(), "the walk left some {status}");
        assert_eq!(listed(api, &format!("&status={status}"), head).await, of_status);
        for assignee in ["ann", "bob", "max.mustermann", "nobody"] {
            let expected: Vec<_> = of_status
                .iter()
                .filter(|row| row["assignee"] == assignee)
                .cloned()
                .collect();
            let query = format!("&assignee={assignee}&status={status}");
            assert_eq!(listed(api, &query, head).await, expected);
        }
    }
    for (query, pointer) in [
        ("status=done", "/status"),
        ("status=", "/status"),
        ("status=open&status=open", "/status"),
        ("assignee=a%20b", "/assignee"),
        ("organisation=acme", "/organisation"),
        ("limit=501", "/limit"),
        ("cursor=x", "/cursor"),
        // Made up, for this very list: the position of an addition is no text, no truth, not below 0, and whole;
        // the id is no id; and it is of another order.
        (
            "cursor=WyJhZGRlZF9wb3NpdGlvbiIsIngiLCIwMTkyZDlhNC03YjhlLTdjM2YtOGQyYS01ZjZlN2E4YjljMGQiXQ",
            "/cursor",
        ),
        (
            "cursor=WyJhZGRlZF9wb3NpdGlvbiIsdHJ1ZSwiMDE5MmQ5YTQtN2I4ZS03YzNmLThkMmEtNWY2ZTdhOGI5YzBkIl0",
            "/cursor",
        ),
        (
            "cursor=WyJhZGRlZF9wb3NpdGlvbiIsLTEsIjAxOTJkOWE0LTdiOGUtN2MzZi04ZDJhLTVmNmU3YThiOWMwZCJd",
            "/cursor",
        ),
        (
            "cursor=WyJhZGRlZF9wb3NpdGlvbiIsMS41LCIwMTkyZDlhNC03YjhlLTdjM2YtOGQyYS01ZjZlN2E4YjljMGQiXQ",
            "/cursor",
        ),
        ("cursor=WyJhZGRlZF9wb3NpdGlvbiIsMSwieCJd", "/cursor"),
        (
            "cursor=W251bGwsIjAxOTJkOWE0LTdiOGUtN2MzZi04ZDJhLTVmNmU3YThiOWMwZCJd",
            "/cursor",
        ),
    ] {
        let answer = api.get(&format!("{LIST}?{query}")).by(&EVA).send().await;
        answers.note(query, answer.problem(400, "invalid-query").at(pointer));
    }
}

async fn history(api: &Api, answers: &mut Transcript, ticket: TicketId) {
    let mut head = 0;
    let close = json!({ "resolution": "x" });
    let closed = command(api, &EVA, ticket, "close_ticket", &close).send().await;
    assert!([200, 409].contains(&closed.status), "{closed:?}");
    for round in 0..6 {
        let (verb, body) = match round % 2 {
            0 => ("reopen_ticket", json!({})),
            _ => ("close_ticket", close.clone()),
        };
        head = command(api, &EVA, ticket, verb, &body)
            .send()
            .await
            .done_in(LOG)
            .position();
    }
    let (mut versions, mut next) = (Vec::new(), Some(format!("{LIST}/{ticket}?limit=2")));
    let mut last = Value::Null;
    while let Some(path) = next {
        let page = api.get(&path).by(&EVA).at_of(LOG, head).send().await.with_status(200);
        let page = answers.note("a page of history", page);
        let entries = page.body["history"].as_array().expect("a list");
        versions.extend(entries.iter().map(|entry| entry["version"].as_u64().expect("a number")));
        next = page.next();
        last = page.body["version"].clone();
    }
    let all: Vec<u64> = (1..=last.as_u64().expect("a number")).collect();
    assert_eq!(versions, all, "its whole history, in order");
}
