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
