//! The operator's commands on a pair that runs.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::{Process, World, eventually, get};

async fn send(http: &str, path: &str, quantity: u64) -> Value {
    let request = reqwest::Client::new()
        .post(format!("http://{http}/warehouse/products/{path}"))
        .json(&json!({ "quantity": quantity }));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

/// Three events: the second one leaves little on hand, the third tells of it.
async fn three_events(world: &World) -> (Process, Process, String) {
    let (command, http) = world.started("callboard-command", &[]).await;
    let (projector, _) = world.started("callboard-projector", &[]).await;
    send(&http, "abc/increase_quantity", 9).await;
    send(&http, "abc/ship_quantity", 7).await;
    eventually("the notification", || async {
        let head = world.head().await;
        if head == 3 { Ok(()) } else { Err(format!("head {head}")) }
    })
    .await;
    world.settled().await;
    (command, projector, http)
}

#[tokio::test]
async fn the_log_can_be_looked_at() {
    let world = World::new().await;
    let _running = three_events(&world).await;

    let listed = world.callboard_json(&["events", "list", "warehouse", "--after", "1"]);
    let types: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(types, ["ProductQuantityShipped", "NotifiedLowProductQuantity"]);
    assert_eq!(listed[1]["previous_id"], listed[0]["id"]);
    assert_eq!(listed[1]["metadata"]["causation_id"], listed[0]["id"]);
    assert_eq!(
        world
            .callboard_json(&["events", "list", "warehouse", "--limit", "2"])
            .as_array()
            .unwrap()
            .len(),
        2
    );

    let (code, exported, _) = world.callboard(&["events", "export", "warehouse"]);
    let lines: Vec<Value> = exported
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!((code, lines.len()), (0, 3));
    assert_eq!(
        lines[1..],
        *listed.as_array().unwrap(),
        "every way shows the same event"
    );
    let (code, exported, _) = world.callboard(&["events", "export", "warehouse", "--after", "1", "--to", "2"]);
    assert_eq!((code, exported.lines().count()), (0, 1));
    assert_eq!(world.callboard(&["events", "export", "warehouse", "--to", "99"]).0, 1);

    let stream = world.callboard_json(&["stream", "show", "warehouse", "product-abc"]);
    let versions: Vec<_> = stream
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["version"].as_u64().unwrap())
        .collect();
    assert_eq!(versions, [1, 2, 3]);
    let (code, _, said) = world.callboard(&["stream", "show", "warehouse", "product-none"]);
    assert!(code == 1 && said.contains("product-none"), "{said}");
}

#[tokio::test]
async fn a_log_can_be_watched_as_it_grows() {
    let world = World::new().await;
    let (_command, _projector, http) = three_events(&world).await;
    let mut tail = world.start("callboard", &["events", "tail", "warehouse", "--json"]);
    let printed = |count: usize| {
        let tail = &tail;
        eventually("events are printed", move || async move {
            let lines = tail.stdout().lines().count();
            if lines == count { Ok(()) } else { Err(tail.stderr()) }
        })
    };
    printed(3).await;
    send(&http, "later/increase_quantity", 1).await;
    printed(4).await;
    let last: Value = serde_json::from_str(tail.stdout().lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["position"], &last["stream"]),
        (&json!(4), &json!("product-later"))
    );
    tail.signal(rustix::process::Signal::INT);
    assert_eq!(tail.ended_within(support::PATIENCE).await.code(), Some(0));
}

#[tokio::test]
async fn status_tells_how_far_everybody_is_and_fails_while_one_is_halted() {
    let world = World::new().await;
    let _running = three_events(&world).await;
    let status = eventually("all is published", || async {
        let status = world.status_of("warehouse");
        if status["published"] == 3 {
            Ok(status)
        } else {
            Err(status.to_string())
        }
    })
    .await;
    assert_eq!((&status["log"], &status["head"]), (&json!("warehouse"), &json!(3)));
    assert_eq!(status["relay_active"], true);
    let subscribers = status["subscribers"].as_array().unwrap();
    assert_eq!(subscribers.len(), 3);
    for subscriber in subscribers {
        assert_eq!(subscriber["state"], "running", "{subscriber}");
        assert_eq!(
            (&subscriber["checkpoint"], &subscriber["lag_events"]),
            (&json!(3), &json!(0)),
            "{subscriber}"
        );
    }
    world
        .database
        .execute("update callboard.subscribers set state = 'halted', reason = 'for the test' where name = 'products'")
        .await;
    let (code, shown, said) = world.callboard(&["status"]);
    assert_eq!(code, 1);
    assert!(
        shown.contains("for the test") && said.contains("warehouse.products"),
        "{shown}{said}"
    );
}

#[tokio::test]
async fn a_paused_projection_stands_still_until_it_is_resumed() {
    let world = World::new().await;
    let (_command, projector, http) = three_events(&world).await;
    let dry = world.callboard_json(&["projections", "pause", "warehouse.products", "--dry-run"]);
    assert_eq!((&dry["done"], &dry["to"]), (&json!(false), &json!("paused")));
    let state = || world.projection("warehouse", "products");
    assert_eq!(state()["state"], "running", "a dry run changes nothing");

    world.callboard_json(&[
        "projections",
        "pause",
        "warehouse.products",
        "--reason",
        "a closer look",
    ]);
    assert_eq!(
        (&state()["name"], &state()["state"]),
        (&json!("products"), &json!("paused"))
    );
    assert_eq!(state()["reason"], "a closer look");
    let (_, ops) = projector.addresses().await;
    send(&http, "abc/increase_quantity", 5).await;
    // The other projection gets there, this one doesn't, and the service says so.
    eventually("low_stock goes on, products stands", || async {
        let at = "select subscriber || position from callboard.checkpoints where log = 'warehouse' and subscriber <> 'low-product-quantity-notification' order by 1";
        let at = world.database.texts(at).await;
        if at == ["low_stock4", "products3"] { Ok(()) } else { Err(format!("{at:?}")) }
    })
    .await;
    eventually("readiness names it", || async {
        let (status, body) = get(&format!("http://{ops}/readyz")).await?;
        let named = status == 503 && body.to_string().contains("a closer look");
        if named { Ok(()) } else { Err(body.to_string()) }
    })
    .await;
    assert_eq!(world.products().await["abc"], 2);

    world.callboard_json(&["projections", "resume", "warehouse.products"]);
    world.settled().await;
    assert_eq!(world.products().await["abc"], 7);
    let (code, _, said) = world.callboard(&["projections", "pause", "warehouse.nope"]);
    assert!(
        code == 1 && said.contains("warehouse.products"),
        "it says what there is: {said}"
    );
}

#[tokio::test]
async fn a_rewound_relay_publishes_again_and_our_subscribers_drop_it() {
    let world = World::new().await;
    let (_command, projector, _) = three_events(&world).await;
    let status = || world.of_log(&["relay", "status"], "warehouse");
    eventually("all is published", || async {
        let status = status();
        if status["published"] == 3 {
            Ok(())
        } else {
            Err(status.to_string())
        }
    })
    .await;
    let dry = world.callboard_json(&["relay", "rewind", "warehouse", "--to", "1", "--dry-run"]);
    assert_eq!((&dry["published_again"], &dry["done"]), (&json!(2), &json!(false)));
    assert_eq!(status()["published"], 3, "a dry run changes nothing");
    let before = world.products().await;
    let (_, ops) = projector.addresses().await;
    let duplicates = || async {
        let page = reqwest::get(format!("http://{ops}/metrics"))
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let line = page.lines().find_map(|line| {
            line.strip_prefix("callboard_subscriber_duplicates_total{subscriber=\"warehouse.products\"} ")
        });
        line.map_or(0, |number| number.parse::<u64>().unwrap())
    };
    world.callboard_json(&["relay", "rewind", "warehouse", "--to", "1"]);
    let doubled = eventually("published again", || async {
        match duplicates().await {
            seen @ 2.. => Ok(seen),
            seen => Err(format!("{seen} duplicates")),
        }
    })
    .await;
    assert!(doubled >= 2);
    eventually("all is published again", || async {
        let status = status();
        if status["published"] == 3 {
            Ok(())
        } else {
            Err(status.to_string())
        }
    })
    .await;
    assert_eq!(world.products().await, before);
    let (code, _, said) = world.callboard(&["relay", "rewind", "warehouse", "--to", "3"]);
    assert!(code == 1 && said.contains("nothing"), "{said}");
}

#[tokio::test]
async fn the_topology_can_be_checked_and_applied_before_any_service_runs() {
    let world = World::new().await;
    // Each state that there is, once.
    let states = |items: &Value| -> BTreeSet<String> {
        items
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["state"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = |state: &str| BTreeSet::from([state.to_owned()]);
    assert_eq!(states(&world.callboard_json(&["topology", "check"])), all("missing"));
    assert_eq!(
        states(&world.callboard_json(&["topology", "apply", "--dry-run"])),
        all("missing")
    );
    assert_eq!(states(&world.callboard_json(&["topology", "apply"])), all("declared"));
    assert_eq!(states(&world.callboard_json(&["topology", "check"])), all("fine"));
    let prefix = &world.sandbox.prefix;
    let names = world.callboard(&["topology", "check"]).1;
    for name in ["events", "frames", "dead", "warehouse.products", "warehouse.low_stock"] {
        assert!(names.contains(&format!("{prefix}.{name}")), "{name}: {names}");
    }
}

#[tokio::test]
async fn the_doctor_finds_what_is_wrong_and_says_what_to_do() {
    let world = World::empty().await;
    let checks = |world: &World| -> (i32, Vec<Value>) {
        let (code, stdout, _) = world.callboard(&["doctor", "--json"]);
        (code, serde_json::from_str(&stdout).unwrap())
    };
    let failed =
        |checks: &[Value]| -> Vec<Value> { checks.iter().filter(|check| check["ok"] == false).cloned().collect() };

    let (code, found) = checks(&world);
    let [schema] = &failed(&found)[..] else {
        panic!("only the schema is missing: {found:?}")
    };
    assert_eq!((code, &schema["name"]), (1, &json!("schema")));
    assert!(
        schema["next_step"].as_str().unwrap().contains("callboard migrate"),
        "{schema}"
    );
    assert_eq!(world.callboard_json(&["migrate", "--dry-run"])["migrated"], false);
    assert_eq!(world.callboard_json(&["migrate"])["migrated"], true);
    let (code, found) = checks(&world);
    assert_eq!((code, failed(&found)), (0, vec![]));

    let missing = world
        .variable("DATABASE_URL")
        .replace(world.database.name(), "callboard_no_such_database");
    let world = world
        .with("DATABASE_URL", &missing)
        .with("AMQP_URL", "amqp://guest:guest@127.0.0.1:1/%2f");
    let (code, found) = checks(&world);
    assert_eq!(code, 1);
    let failed = failed(&found);
    let of = |variable: &str| {
        failed
            .iter()
            .find(|check| check["variable"] == variable)
            .unwrap()
            .to_string()
    };
    assert!(
        of("DATABASE_URL").contains("createdb callboard_no_such_database"),
        "{failed:?}"
    );
    assert!(of("AMQP_URL").contains("127.0.0.1:1"), "{failed:?}");
}
