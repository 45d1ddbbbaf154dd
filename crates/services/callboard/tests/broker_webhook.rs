//! The operator's commands on what an event handler has given up.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use serde_json::{Value, json};
use support::{World, eventually};
use tickets::ticket_webhook::receiver::{Behaviour, Receiver};

const NAME: &str = "tickets.ticket-webhook";

async fn post(http: &str, path: &str, body: &Value) -> Value {
    let request = reqwest::Client::new()
        .post(format!("http://{http}/tickets/tickets{path}"))
        .header("callboard-roles", "lead")
        .json(body);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer.json().await.unwrap()
}

/// Three assignments of one ticket, of which the receiver refuses the first.
async fn refused(http: &str) {
    let ticket = post(http, "", &json!({ "title": "No light" })).await["id"].clone();
    for assignee in ["poison", "ann", "bob"] {
        let path = format!("/{}/assign_ticket", ticket.as_str().unwrap());
        post(http, &path, &json!({ "assignee": assignee })).await;
    }
}

fn parked(world: &World) -> Vec<(u64, String)> {
    let listed = world.callboard_json(&["parked", "list", NAME]);
    let listed = listed.as_array().unwrap().iter();
    listed
        .map(|parked| {
            (
                parked["position"].as_u64().unwrap(),
                parked["cause"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_handler_has_given_up_is_shown_handed_over_again_and_discarded() {
    let receiver = Receiver::start().await;
    receiver.always("poison", Behaviour::Status(410));
    let off = World::new().await;
    let url = receiver.url();
    let world = off.with("TICKET_WEBHOOK_URL", &url);
    let (_command, http) = world.started("callboard-command", &[]).await;
    let (_projector, _) = world.started("callboard-projector", &[]).await;
    refused(&http).await;
    let (failed, behind) = ((2, "failed".to_owned()), |position| (position, "behind".to_owned()));
    eventually("three are parked", || async {
        let parked = parked(&world);
        if parked.len() == 3 {
            Ok(())
        } else {
            Err(format!("{parked:?}"))
        }
    })
    .await;
    assert_eq!(parked(&world), [failed.clone(), behind(3), behind(4)]);
    let shown = world.callboard_json(&["parked", "show", NAME, "2"]);
    assert_eq!(shown["event"]["type"], "TicketAssigned", "{shown}");
    assert_eq!(shown["reason"], "the receiver answered 410 Gone", "{shown}");
    assert_eq!(shown["group"].as_array().unwrap().len(), 3, "{shown}");

    let (code, out, _) = world.callboard(&["parked", "retry", NAME, "--all", "--json"]);
    let out: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &out["failed"]), (1, &json!(1)), "{out}");
    assert_eq!(world.callboard(&["parked", "retry", NAME, "--all", "--dry-run"]).0, 0);
    let discard = ["parked", "discard", NAME, "2", "--reason", "nobody of that name"];
    assert_eq!(world.callboard(&discard).0, 0);
    assert_eq!(parked(&world), [behind(3), behind(4)]);

    let world = world.without("TICKET_WEBHOOK_URL");
    let (code, _, said) = world.callboard(&["parked", "retry", NAME, "--all"]);
    assert!(code == 1 && said.contains("switched off"), "{said}");
    let wrong = world.with("TICKET_WEBHOOK_URL", "nowhere");
    let (code, _, said) = wrong.callboard(&["parked", "list", NAME]);
    assert!(code == 2 && said.contains("TICKET_WEBHOOK_URL must be"), "{said}");
    let world = wrong.with("TICKET_WEBHOOK_URL", &url);
    let before = receiver.received().len();
    let applied = world.callboard_json(&["parked", "retry", NAME, "3"]);
    assert_eq!(applied["groups"][0]["positions"], json!([3, 4]), "{applied}");
    let assignees: Vec<_> = receiver
        .received()
        .split_off(before)
        .iter()
        .map(|each| each.body["data"]["assignee"].clone())
        .collect();
    assert_eq!(assignees, ["ann", "bob"], "in order");
    assert_eq!(parked(&world), []);
    let topology = world.callboard_json(&["topology", "check"]);
    let queue = format!("{}.tickets.ticket-webhook", world.variable("MESSAGING_QUEUE_PREFIX"));
    let found = topology.as_array().unwrap().iter().find(|item| item["name"] == queue);
    assert_eq!(found.expect("it has a queue")["state"], "fine");
}

/// The limit that the running webhook keeps to, as its process shows it; 0 for none.
async fn until_limited(ops: &str, limit: &str) {
    let line = format!("callboard_handler_rate_limit{{subscriber=\"ticket-webhook\"}} {limit}");
    eventually(&line, || async {
        let page = reqwest::get(format!("http://{ops}/metrics")).await;
        let page = page.map_err(|error| error.to_string())?;
        let page = page.text().await.map_err(|error| error.to_string())?;
        let found = page.lines().any(|found| found == line);
        if found { Ok(()) } else { Err("another one".into()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_taken_up_by_the_handler_that_runs_and_by_the_next_one() {
    let receiver = Receiver::start().await;
    let off = World::new().await;
    let (_command, http) = off.started("callboard-command", &[]).await;
    let order = |world: &World, rate: &str| world.callboard(&["handlers", "rate", NAME, rate]);
    let (code, _, said) = order(&off, "5");
    assert!(code == 1 && said.contains("has never run"), "{said}");
    let world = off.with("TICKET_WEBHOOK_URL", &receiver.url());
    let (projector, _) = world.started("callboard-projector", &[]).await;
    let ticket = post(&http, "", &json!({ "title": "No light" })).await["id"].clone();
    let assign = format!("/{}/assign_ticket", ticket.as_str().unwrap());
    post(&http, &assign, &json!({ "assignee": "ann" })).await;
    let (_, ops) = projector.addresses().await;
    until_limited(&ops, "0").await;

    let shown = || {
        let status = world.status_of("tickets");
        let all = status["subscribers"].as_array().unwrap().iter();
        let mut found = all.filter(|subscriber| subscriber["name"] == "ticket-webhook");
        found.next().expect("it is shown")["events_per_second"].clone()
    };
    let dry = world.callboard_json(&["handlers", "rate", NAME, "5", "--dry-run"]);
    assert_eq!((&dry["to"], &dry["done"]), (&json!(5), &json!(false)));
    assert_eq!(shown(), Value::Null, "a dry run changes nothing");
    let done = world.callboard_json(&["handlers", "rate", NAME, "5"]);
    assert_eq!((&done["from"], &done["to"]), (&Value::Null, &json!(5)));
    assert_eq!(shown(), 5);
    assert!(world.callboard(&["status"]).1.contains(" 5/s"), "also in the table");
    until_limited(&ops, "5").await;

    for wrong in ["0", "-1", "1000001", "2.5", "fast"] {
        let (code, _, said) = order(&world, wrong);
        let rule = said.contains("EVENTS_PER_SECOND") && said.contains("whole number from 1 to 1000000, or `none`");
        assert!(code == 2 && rule, "{wrong}: {said}");
    }
    for unknown in ["tickets.nobody", "tickets.tickets", "ticket-webhook"] {
        let (code, _, said) = world.callboard(&["handlers", "rate", unknown, "5"]);
        let rule =
            said.contains("LOG.NAME") && said.contains(&format!("no event handler {unknown}")) && said.contains(NAME);
        assert!(code == 1 && rule, "{unknown}: {said}");
    }
    assert_eq!(shown(), 5, "what is wrong changes nothing");

    drop(projector);
    let (projector, _) = world.started("callboard-projector", &[]).await;
    let (_, ops) = projector.addresses().await;
    post(&http, &assign, &json!({ "assignee": "bob" })).await;
    until_limited(&ops, "5").await;
    world.callboard_json(&["handlers", "rate", NAME, "none"]);
    until_limited(&ops, "0").await;
    assert_eq!(shown(), Value::Null);
}
