//! The ticket webhook inline.

mod webhook;

use conformance::Topology;

#[tokio::test]
async fn the_webhook_delivers_and_parks_inline() {
    webhook::delivers(Topology::Inline).await;
}

#[tokio::test]
async fn the_webhooks_rate_is_ordered_inline() {
    webhook::is_limited(Topology::Inline).await;
}
