//! The pair with a queue that somebody has declared otherwise.

mod pair;

use callboard_rabbitmq::testing::Outsider;
use conformance::Api;
use conformance::support::eventually;
use conformance::system::Ground;
use pair::{assert_views, load};

#[tokio::test]
async fn a_queue_that_was_declared_otherwise_makes_its_subscriber_follow_the_log_and_say_so() {
    let ground = Ground::new().await;
    let outsider = Outsider::connect().await;
    let queue = ground.sandbox.topology.queue("warehouse", "products");
    outsider.declare_short_queue(&queue, 5).await;
    let (command, projector) = tokio::join!(ground.command(), ground.projector());
    let api = Api::new(command.http, projector.http);
    for replica in [&command, &projector] {
        api.until_ready(replica.ops).await;
    }
    load(&api, "degraded", 50).await;
    assert_views(&api).await;
    let said = eventually("it says why", async || {
        let ready = api.ops(projector.ops, "/readyz?verbose").await.with_status(200);
        let said = ready.body.to_string();
        said.contains(&queue).then_some(said)
    })
    .await;
    for part in [
        "warehouse.products: from_log",
        "x-max-length",
        "callboard topology apply",
    ] {
        assert!(said.contains(part), "{part} isn't in: {said}");
    }
    assert!(
        said.contains("warehouse.low_stock: live"),
        "the others are as ever: {said}"
    );

    // The way out: the log has everything that was in the queue.
    outsider.delete_queue(&queue).await;
    eventually("it lives on its queue again", async || {
        let ready = api.ops(projector.ops, "/readyz?verbose").await;
        ready
            .body
            .to_string()
            .contains("warehouse.products: live")
            .then_some(())
    })
    .await;
    load(&api, "degraded", 50).await;
    assert_views(&api).await;
    command.stop().await;
    projector.stop().await;
}
