//! The inline topology with the real binary: Postgres alone, one service for both sides.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{Load, World, eventually, get};

/// No broker: its address leads nowhere.
async fn world() -> World {
    World::new()
        .await
        .with("CALLBOARD_TOPOLOGY", "inline")
        .with("AMQP_URL", "amqp://guest:guest@127.0.0.1:1/%2f")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_walk_through_the_warehouse() {
    let world = world().await;
    let (_service, http) = world.started("callboard-command", &["--no-migrate"]).await;
    let send = async |verb: &str, quantity: u64| {
        let request = reqwest::Client::new()
            .post(format!("http://{http}/warehouse/products/abc123/{verb}"))
            .json(&json!({ "quantity": quantity }));
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap())
    };
    let shown = async || {
        get(&format!("http://{http}/warehouse/products/abc123"))
            .await
            .unwrap()
            .1["quantity"]
            .clone()
    };
    assert_eq!(send("increase_quantity", 50).await.0, 200);
    assert_eq!(shown().await, 50, "at once: the view is in the append's transaction");
    assert_eq!(send("ship_quantity", 49).await.0, 200);
    assert_eq!(shown().await, 1);
    let (status, problem) = send("ship_quantity", 20).await;
    assert_eq!(
        (status, &problem["detail"]),
        (409, &json!("Insufficient quantity on hand."))
    );
    assert_eq!(shown().await, 1);
    eventually("one notification", || async {
        let (_, rows) = get(&format!("http://{http}/warehouse/low_stock")).await?;
        if rows[0]["last_notified_at"].is_string() {
            Ok(())
        } else {
            Err(rows.to_string())
        }
    })
    .await;
    assert_eq!(world.head().await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_loses_nothing() {
    let world = world().await;
    let (mut service, http) = world.started("callboard-command", &["--no-migrate"]).await;
    let load = Load::start(&[&http], 16, 1_000);
    load.answered(200).await;
    service.terminate();
    assert_eq!(
        service.ended_within(Duration::from_secs(10)).await.code(),
        Some(0),
        "{}",
        service.stderr()
    );
    let done = load.stop().await;
    let _again = world.started("callboard-command", &["--no-migrate"]).await;
    world.is_consistent_with(&done, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_service_loses_and_doubles_nothing() {
    let world = world().await;
    let (mut service, http) = world.started("callboard-command", &["--no-migrate"]).await;
    let load = Load::start(&[&http], 16, 20);
    for killed in 1..=3 {
        load.answered(killed * 120).await;
        service.kill();
        let (again, http) = world.started("callboard-command", &["--no-migrate"]).await;
        load.aim(&[&http]);
        service = again;
    }
    let done = load.finish().await;
    assert_eq!(done.len(), 16 * 20 * support::MOVES.len());
    world.is_consistent_with(&done, false).await;
}
