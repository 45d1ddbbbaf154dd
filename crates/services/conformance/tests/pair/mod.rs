//! What the tests of the pair share.

#![allow(dead_code, reason = "each test file uses a part")]

use conformance::Api;
use futures::future::join_all;

/// Sends so many increases of 10 at once, over ten products; how many were done.
pub async fn load(api: &Api, name: &str, commands: usize) -> usize {
    let skus = (0..commands).map(|number| format!("{name}-{}", number % 10));
    let all = join_all(skus.map(|sku| async move { api.increase(&sku, 10).send().await })).await;
    let done: Vec<_> = all.into_iter().map(|answer| answer.done()).collect();
    done.len()
}

/// Ships all that is there of a product, which is notified.
pub async fn sell_out(api: &Api, sku: &str) {
    let head = api.head().await;
    let quantity = api.quantity(sku, head).await.expect("there is such a product");
    let shipped = api.ship(sku, quantity).send().await.done();
    api.notified(shipped.position()).await;
}

/// The views come to the head, and show what the log says.
pub async fn assert_views(api: &Api) {
    let events = api.events(0).await;
    let head = events.len() as u64;
    let mut left = std::collections::BTreeMap::new();
    for event in &events {
        if let Some(quantity) = event["data"].get("quantity_on_hand") {
            left.insert(event["data"]["sku"].as_str().expect("text"), quantity);
        }
    }
    let products = api.list("/warehouse/products", head).await;
    let shown: Vec<_> = products
        .iter()
        .map(|row| (row["sku"].as_str().expect("text"), &row["quantity"]))
        .collect();
    assert_eq!(shown, left.into_iter().collect::<Vec<_>>());
    api.get("/warehouse/low_stock").at(head).send().await.with_status(200);
}
