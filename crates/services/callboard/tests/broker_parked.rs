//! The operator's commands on events that a projection can't apply.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use serde_json::{Value, json};
use support::{Process, World, entry, eventually};

const NAME: &str = "warehouse.products";

async fn increase(http: &str, sku: &str, quantity: u64) {
    let request = reqwest::Client::new()
        .post(format!("http://{http}/warehouse/products/{sku}/increase_quantity"))
        .json(&json!({ "quantity": quantity }));
    assert_eq!(request.send().await.unwrap().status(), 200);
}

/// A table that takes no poison, two events about it, and one about something else.
async fn poisoned(world: &World) -> (Process, Process) {
    let (command, http) = world.started("callboard-command", &[]).await;
    let (projector, _) = world.started("callboard-projector", &[]).await;
    let constraint = "alter table warehouse.products add constraint no_poison check (sku <> 'poison')";
    world.database.execute(constraint).await;
    increase(&http, "poison", 10).await;
    increase(&http, "poison", 5).await;
    increase(&http, "fine", 7).await;
    world.settled().await;
    (command, projector)
}

fn positions(listed: &Value) -> Vec<(u64, String)> {
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

fn parked(world: &World) -> Vec<(u64, String)> {
    positions(&world.callboard_json(&["parked", "list", NAME]))
}

/// It fails, and says this.
#[track_caller]
fn refused(world: &World, args: &[&str], code: i32, says: &[&str]) {
    let (exit, stdout, said) = world.callboard(args);
    assert_eq!((exit, stdout.as_str()), (code, ""), "{args:?}: {said}");
    for text in says {
        assert!(said.contains(text), "{args:?} doesn't say {text:?}: {said}");
    }
}

async fn incomplete(projector: &Process) -> (Option<String>, Value) {
    let (http, _) = projector.addresses().await;
    let answer = reqwest::get(format!("http://{http}/warehouse/products")).await.unwrap();
    let header = answer.headers().get("callboard-incomplete");
    let header = header.map(|value| value.to_str().unwrap().to_owned());
    (header, answer.json().await.unwrap())
}

#[tokio::test]
async fn parked_events_are_shown_retried_and_discarded() {
    let world = World::new().await;
    let (_command, projector) = poisoned(&world).await;
    let (failed, behind) = ((1, "failed".to_owned()), (2, "behind".to_owned()));
    assert_eq!(parked(&world), [failed.clone(), behind.clone()]);
    assert_eq!(
        incomplete(&projector).await,
        (Some("parked=2".into()), json!([{ "sku": "fine", "quantity": 7 }]))
    );

    let shown = world.callboard_json(&["parked", "show", NAME, "1"]);
    assert_eq!(shown["event"]["type"], "ProductQuantityIncreased", "{shown}");
    assert_eq!(
        shown["blocks"],
        json!(["stream:product-poison", "key:\"poison\""]),
        "{shown}"
    );
    assert_eq!(positions(&shown["group"]), parked(&world));
    assert!(shown["reason"].as_str().unwrap().contains("no_poison"), "{shown}");
    for status in [
        entry(
            &entry(&world.callboard_json(&["status"]), "log", "warehouse")["subscribers"],
            "name",
            "products",
        ),
        entry(&world.callboard_json(&["projections", "list"]), "name", "products"),
    ] {
        assert_eq!(
            (&status["name"], &status["parked"]),
            (&json!("products"), &json!(2)),
            "{status}"
        );
    }

    let (code, out, said) = world.callboard(&["parked", "retry", NAME, "1", "2", "--json"]);
    let out: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &out["failed"]), (1, &json!(1)), "{out}");
    assert_eq!(out["groups"].as_array().unwrap().len(), 1, "one group, once: {out}");
    assert_eq!(
        (&out["groups"][0]["outcome"], &out["groups"][0]["position"]),
        (&json!("failed"), &json!(1))
    );
    assert!(said.contains("1 of 1 groups failed"), "{said}");
    let tries = || world.callboard_json(&["parked", "list"])[0]["tries"].clone();
    assert_eq!(tries(), 1);
    assert_eq!(
        world.callboard(&["parked", "retry", NAME, "--all", "--dry-run"]).0,
        1,
        "a dry run tells the truth"
    );
    assert_eq!(tries(), 1, "and changes nothing");

    let dry = [
        "parked",
        "discard",
        NAME,
        "1",
        "--reason",
        "a wrong delivery",
        "--dry-run",
    ];
    let dry = world.callboard_json(&dry);
    assert_eq!((&dry["done"], &dry["behind"]), (&json!(false), &json!([2])));
    assert_eq!(parked(&world), [failed, behind.clone()], "a dry run changes nothing");
    let (code, out, said) = world.callboard(&["parked", "discard", NAME, "1", "--reason", "a wrong delivery"]);
    assert!(code == 0 && out.contains("discarded"), "{out}{said}");
    assert!(said.contains(&format!("callboard parked retry {NAME} 2")), "{said}");
    assert_eq!(parked(&world), [behind]);
    let because = "select position || ' ' || because from callboard.discarded_events";
    assert_eq!(world.database.texts(because).await, ["1 a wrong delivery"]);

    let mended = "alter table warehouse.products drop constraint no_poison";
    world.database.execute(mended).await;
    let dry = world.callboard_json(&["parked", "retry", NAME, "--cause", "behind", "--dry-run"]);
    assert_eq!(dry["groups"][0]["outcome"], "would_apply", "{dry}");
    let done = world.callboard_json(&["parked", "retry", NAME, "2"]);
    assert_eq!(
        done["groups"],
        json!([{ "positions": [2], "outcome": "applied" }]),
        "{done}"
    );
    assert_eq!(world.products().await["poison"], 15);
    assert_eq!(world.callboard(&["parked", "list"]).1, "nothing is parked\n");
    eventually("the view is whole again", || async {
        match incomplete(&projector).await {
            (None, _) => Ok(()),
            (Some(header), _) => Err(header),
        }
    })
    .await;
}

#[tokio::test]
async fn orders_about_what_is_not_parked_are_refused_by_name() {
    let world = World::new().await;
    let _running = poisoned(&world).await;
    let manager = "warehouse.low-product-quantity-notification";
    refused(&world, &["parked", "list", manager], 1, &["never parks", NAME]);
    refused(
        &world,
        &["parked", "list", "warehouse.none"],
        1,
        &["warehouse.none", NAME],
    );
    refused(
        &world,
        &["parked", "show", NAME, "9"],
        1,
        &["position 9", "parked list"],
    );
    // Before anything is tried.
    refused(&world, &["parked", "retry", NAME, "1", "9"], 1, &["position 9"]);
    assert_eq!(world.callboard_json(&["parked", "list"])[0]["tries"], 0);
    let none = ["parked", "retry", NAME, "--cause", "undecodable"];
    refused(&world, &none, 1, &[NAME, "undecodable"]);
    refused(
        &world,
        &["parked", "retry", "warehouse.low_stock", "--all"],
        1,
        &["warehouse.low_stock"],
    );
    refused(&world, &["parked", "retry", NAME], 2, &["POSITION"]);
    refused(&world, &["parked", "retry", NAME, "1", "--all"], 2, &["--all"]);
    refused(&world, &["parked", "discard", NAME, "1"], 2, &["--reason"]);
    refused(
        &world,
        &["parked", "discard", NAME, "1", "--reason", " "],
        2,
        &["empty"],
    );
    let discard = ["parked", "discard", NAME, "3", "--reason", "so"];
    refused(&world, &discard, 1, &["position 3"]);
    assert_eq!(parked(&world).len(), 2);
}
