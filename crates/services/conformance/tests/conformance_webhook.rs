//! The ticket webhook embedded.

mod webhook;

use conformance::Topology;

#[tokio::test]
async fn the_webhook_delivers_and_parks_embedded() {
    webhook::delivers(Topology::Embedded).await;
}

#[tokio::test]
async fn the_webhooks_rate_is_ordered_embedded() {
    webhook::is_limited(Topology::Embedded).await;
}
