//! An operator rebuilds a view while a service runs.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use support::{World, eventually, get};

/// No broker: its address leads nowhere.
async fn world() -> World {
    World::new()
        .await
        .with("CALLBOARD_TOPOLOGY", "inline")
        .with("AMQP_URL", "amqp://guest:guest@127.0.0.1:1/%2f")
}

async fn increase(http: &str, products: std::ops::Range<u32>) {
    let client = reqwest::Client::new();
    for product in products {
        let request = client
            .post(format!("http://{http}/warehouse/products/p{product}/increase_quantity"))
            .json(&json!({ "quantity": 1 }));
        assert_eq!(request.send().await.unwrap().status().as_u16(), 200);
    }
}

fn products(world: &World) -> Value {
    world.projection("warehouse", "products")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_rebuilds_a_view_and_goes_back() {
    let world = world().await;
    let (_service, http) = world.started("callboard-command", &["--no-migrate"]).await;
    increase(&http, 0..40).await;
    world
        .database
        .execute("update warehouse.products set quantity = 7 where sku = 'p3'")
        .await;
    let dry = world.callboard_json(&["projections", "rebuild", "warehouse.products", "--dry-run"]);
    assert_eq!((&dry[0]["version"], &dry[0]["done"]), (&json!(1), &json!(false)));
    assert_eq!(products(&world)["rebuild"], Value::Null);
    let (code, _, said) = world.callboard(&["projections", "undo", "warehouse.products"]);
    assert_eq!(code, 1);
    assert!(said.contains("nothing is kept"), "{said}");

    let (code, text, said) = world.callboard(&["projections", "rebuild", "warehouse.products", "--wait"]);
    assert_eq!((code, text.as_str()), (0, "warehouse.products is rebuilt\n"), "{said}");
    assert_eq!(world.products().await["p3"], 1);
    assert_eq!(products(&world)["replaced"], json!({ "version": 1, "checkpoint": 40 }));
    increase(&http, 40..42).await;
    assert_eq!(world.products().await.len(), 42, "appends go on into the new table");

    world.callboard_json(&["projections", "undo", "warehouse.products"]);
    assert_eq!(world.products().await["p3"], 7, "as it was");
    increase(&http, 42..43).await;
    assert_eq!(world.products().await.len(), 43, "caught up with the next append");
    world.callboard_json(&["projections", "drop-old", "warehouse.products"]);
    let (code, _, said) = world.callboard(&["projections", "drop-old", "warehouse.products"]);
    assert_eq!(code, 1);
    assert!(said.contains("nothing is kept"), "{said}");
    let (code, _, said) = world.callboard(&["projections", "rebuild", "warehouse.nope"]);
    assert_eq!(code, 1);
    assert!(
        said.contains("there are: ") && said.contains("warehouse.products"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_pauses_a_rebuild_and_lets_it_go_on() {
    let world = world().await;
    let (_service, http) = world.started("callboard-command", &["--no-migrate"]).await;
    increase(&http, 0..40).await;
    world.callboard_json(&["projections", "rebuild", "warehouse.products", "--throttle", "4"]);
    eventually("it moves", || async {
        match products(&world)["rebuild"]["position"].as_u64() {
            Some(position) if position >= 4 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let paused = [
        "projections",
        "pause",
        "warehouse.products",
        "--rebuild",
        "--reason",
        "lunch",
    ];
    assert_eq!(world.callboard_json(&paused)["to"], "paused");
    let (_, shown, _) = world.callboard(&["projections", "list"]);
    assert!(
        shown.contains("the rebuild to VERSION 1 is paused at") && shown.contains(": lunch"),
        "{shown}"
    );
    assert_eq!(products(&world)["state"], "running", "the view itself is kept up");
    let (code, _, said) = world.callboard(&["projections", "undo", "warehouse.products"]);
    assert_eq!(code, 1, "{said}");
    // All of them, this one anew and as fast as it goes.
    let (code, text, said) = world.callboard(&["projections", "rebuild", "--wait"]);
    assert_eq!(code, 0, "{said}");
    for name in [
        "warehouse.products",
        "warehouse.low_stock",
        "tickets.tickets",
        "finance.companies",
    ] {
        assert!(text.contains(&format!("{name} is rebuilt\n")), "{text}");
    }
    assert_eq!(world.products().await.len(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_cancels_a_rebuild_by_hand_and_over_the_admin_api() {
    let world = world().await;
    let (service, http) = world.started("callboard-command", &["--no-migrate"]).await;
    increase(&http, 0..40).await;
    let (code, _, said) = world.callboard(&["projections", "cancel", "warehouse.products"]);
    assert_eq!(code, 1);
    assert!(said.contains("no rebuild is under way"), "{said}");

    let slowly = ["projections", "rebuild", "warehouse.products", "--throttle", "1"];
    world.callboard_json(&slowly);
    let dry = world.callboard_json(&["projections", "cancel", "warehouse.products", "--dry-run"]);
    assert_eq!((&dry["version"], &dry["done"]), (&json!(1), &json!(false)));
    assert_eq!(products(&world)["rebuild"]["state"], "running");
    let (code, text, said) = world.callboard(&["projections", "cancel", "warehouse.products"]);
    let expected = "the rebuild of warehouse.products to VERSION 1 is cancelled\n";
    assert_eq!((code, text.as_str()), (0, expected), "{said}");
    assert_eq!(products(&world)["rebuild"], Value::Null);
    assert_eq!(world.products().await.len(), 40);

    world.callboard_json(&slowly);
    let (_, ops) = service.addresses().await;
    let cancel = format!("http://{ops}/admin/subscribers/warehouse/products/rebuild/cancel");
    let order = || reqwest::Client::new().post(&cancel).json(&json!({})).send();
    assert_eq!(order().await.unwrap().status().as_u16(), 200);
    assert_eq!(products(&world)["rebuild"], Value::Null);
    let refused = order().await.unwrap();
    assert_eq!(refused.status().as_u16(), 409);
    let problem: Value = refused.json().await.unwrap();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("no rebuild is under way"), "{detail}");
    increase(&http, 40..41).await;
    assert_eq!(world.products().await.len(), 41, "the view is kept up");
}

/// Looks at the view until told to stop, in the table and over HTTP: at every moment it is all as it was
/// before the rebuild, or all as it is afterwards, and then it stays so. How often it looked while it was
/// as before.
async fn watch(world: Arc<World>, http: Arc<Mutex<String>>, rows: usize, stop: Arc<AtomicBool>) -> usize {
    let (mut before, mut rebuilt) = (0, false);
    while !stop.load(Ordering::SeqCst) {
        let table: Vec<_> = world.products().await.into_values().collect();
        rebuilt = all_of_one_build(&table, rows, rebuilt);
        let url = format!("http://{}/warehouse/products", http.lock().unwrap());
        // A service that was killed answers nothing.
        if let Ok((status, shown)) = get(&url).await {
            assert_eq!(status, 200, "{shown}");
            let rows_shown = shown.as_array().unwrap().iter();
            let quantities: Vec<_> = rows_shown.map(|row| row["quantity"].as_i64().unwrap()).collect();
            rebuilt = all_of_one_build(&quantities, rows, rebuilt);
        }
        before += usize::from(!rebuilt);
    }
    before
}

fn all_of_one_build(quantities: &[i64], rows: usize, rebuilt: bool) -> bool {
    assert_eq!(quantities.len(), rows, "{quantities:?}");
    let is = |quantity| quantities.iter().all(|shown| *shown == quantity);
    assert!(is(1) || (is(7) && !rebuilt), "{quantities:?}");
    is(1)
}

/// How far the rebuild is; `None` when there is none.
fn rebuilt_up_to(world: &World) -> Option<u64> {
    products(world)["rebuild"]["position"].as_u64()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_killed_half_way_through_a_rebuild_goes_on_where_it_was_and_reads_see_nothing_of_it() {
    const ROWS: u32 = 40;
    let world = Arc::new(world().await);
    let (service, http) = world.started("callboard-command", &["--no-migrate"]).await;
    increase(&http, 0..ROWS).await;
    // So that what was there before can be told from what is built.
    world
        .database
        .execute("update warehouse.products set quantity = 7")
        .await;
    let (http, stop) = (Arc::new(Mutex::new(http)), Arc::new(AtomicBool::new(false)));
    let watching = tokio::spawn(watch(world.clone(), http.clone(), ROWS as usize, stop.clone()));
    world.callboard_json(&["projections", "rebuild", "warehouse.products", "--throttle", "8"]);
    eventually("it is half-way", || async {
        match rebuilt_up_to(&world) {
            Some(position) if position >= 16 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    service.kill();
    let was = rebuilt_up_to(&world).unwrap();
    assert!(was < u64::from(ROWS), "it was half-way at {was}");
    let (_service, address) = world.started("callboard-command", &["--no-migrate"]).await;
    *http.lock().unwrap() = address;
    eventually("it is rebuilt", || async {
        match rebuilt_up_to(&world) {
            Some(position) => {
                assert!(position >= was, "it began anew: {position} after {was}");
                Err(format!("at {position}"))
            }
            None => Ok(()),
        }
    })
    .await;
    assert!(world.products().await.into_values().all(|quantity| quantity == 1));
    stop.store(true, Ordering::SeqCst);
    let looks = watching.await.unwrap();
    assert!(looks > 10, "only {looks} looks");
}
