//! The ticket webhook embedded.

mod webhook;

use conformance::Topology;

#[tokio::test]
async fn the_webhook_delivers_and_parks_embedded() {
    webhook::delivers(Topology::Embedded).await;
}
