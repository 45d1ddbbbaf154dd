//! What only a broker of one's own shows: its alarms, its negative confirms, its dead queues, its limits,
//! and its death. Each test starts a node with `cargo xtask node` and breaks it for real.
//!
//! Not to be had on a single node: a quorum queue that has lost its majority or its data for good. Here the
//! one replica of the queue is stopped, which its users see in the same way: no confirm, no delivery, and
//! no answer to whoever consumes.

mod node;
mod pair;

use std::time::{Duration, Instant};

use callboard_rabbitmq::testing::Outsider;
use conformance::backlog;
use conformance::support::{eventually, within};
use node::Broken;
use pair::{assert_views, load, sell_out};

/// The queue that things are done to.
fn queue(broken: &Broken) -> String {
    broken.ground.sandbox.topology.queue("warehouse", "products")
}

/// Holds up the products' projection: whatever it is delivered stays in its hands.
const HOLD: &str = "select from callboard.checkpoints where subscriber = 'products' for update";

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_alarm_blocks_the_relay_alone_and_all_of_it_drains_afterwards() {
    let broken = Broken::start(|_| {}).await;
    let (api, outsider) = (&broken.api, Outsider::connect_to(&broken.node.url).await);
    load(api, "before", 20).await;
    // More than a consumer has in its hands waits in the queue.
    let held = broken.ground.database.hold(HOLD).await;
    backlog::record(&broken.ground.database, "waiting", 3_000).await;
    broken.published().await;
    broken.node.control(&["set_vm_memory_high_watermark", "0.0000001"]);
    load(api, "alarmed", 50).await;
    eventually("it is said", async || {
        broken.relay().await.contains("blocked by the broker").then_some(())
    })
    .await;
    assert!((broken.metric("callboard_relay_blocked").await - 1.0).abs() < 0.1);
    held.release().await;
    eventually("consumers go on", async || {
        outsider.waiting(&queue(&broken)).await.filter(|waiting| *waiting == 0)
    })
    .await;
    load(api, "alarmed", 50).await;
    sell_out(api, "alarmed-0").await;
    assert_views(api).await;
    assert!(
        broken.metric("callboard_relay_published").await < api.head().await as f64,
        "nothing was published meanwhile"
    );

    broken.node.control(&["set_vm_memory_high_watermark", "0.6"]);
    broken.published().await;
    assert!(!broken.relay().await.contains("blocked"), "it is over");
    load(api, "afterwards", 50).await;
    assert_views(api).await;
    broken.live("products").await;
    broken.stop().await;
}

/// How long an outsider's queue rejects.
const REJECTED_FOR: Duration = Duration::from_secs(12);
/// The waits between tries double from 0.2 s to 10 s, and each may be cut by half.
const TRIES_MOST: f64 = 9.0;

#[tokio::test(flavor = "multi_thread")]
async fn an_outsiders_queue_that_rejects_holds_up_the_relay_and_nobody_else() {
    let broken = Broken::start(|_| {}).await;
    let (api, outsider) = (&broken.api, Outsider::connect_to(&broken.node.url).await);
    load(api, "before", 20).await;
    broken.published().await;
    let topology = &broken.ground.sandbox.topology;
    outsider.reject_beyond(topology, "somebody-elses", 3).await;
    load(api, "rejected", 30).await;
    eventually("it is said", async || {
        broken.relay().await.contains("negative confirm").then_some(())
    })
    .await;
    let published = broken.metric("callboard_relay_published").await;
    let began = Instant::now();
    while began.elapsed() < REJECTED_FOR {
        load(api, "rejected", 30).await;
        assert_views(api).await;
        let still = broken.metric("callboard_relay_published").await;
        assert!((still - published).abs() < 0.1, "{still} is beyond {published}");
    }
    sell_out(api, "rejected-0").await;
    assert!(published < api.head().await as f64, "{published} is not the head");
    let tries = broken.metric("callboard_relay_errors_total").await;
    assert!((4.0..=TRIES_MOST).contains(&tries), "{tries} tries in {REJECTED_FOR:?}");

    outsider.delete_queue("somebody-elses").await;
    broken.published().await;
    load(api, "afterwards", 50).await;
    assert_views(api).await;
    broken.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quorum_queue_that_is_dead_is_deleted_and_declared_again() {
    let broken = Broken::start(|_| {}).await;
    let api = &broken.api;
    load(api, "before", 20).await;
    broken.published().await;
    let stop = format!(
        "{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<\"/\">>, queue, <<\"{}\">>)), \
         ra:stop_server(quorum_queues, amqqueue:get_pid(Q)).",
        queue(&broken)
    );
    broken.node.control(&["eval", &stop]);
    load(api, "dead", 50).await;
    assert_views(api).await;
    sell_out(api, "dead-0").await;
    let deleted = async || {
        let deleted = "callboard_feed_queues_deleted_total";
        api.metric(broken.projector.ops, deleted, "subscriber=\"products\"")
            .await
    };
    // Three attempts, each of which may have to wait for a deadline.
    within(Duration::from_secs(90), "it is deleted", async || {
        load(api, "dead", 5).await;
        (deleted().await >= 1.0).then_some(())
    })
    .await;
    broken.live("products").await;
    broken.published().await;
    load(api, "afterwards", 50).await;
    assert_views(api).await;
    broken.stop().await;
}

/// A delivery that nobody acknowledges for so long ends the channel.
const IMPATIENT: &str = "application:set_env(rabbit, consumer_timeout, 2000), \
    application:set_env(rabbit, channel_tick_interval, 500).";

#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_drops_at_its_limits_is_read_from_the_log() {
    let broken = Broken::start(|node| {
        node.control(&["eval", IMPATIENT]);
        let never_again = r#"{"delivery-limit": 0}"#;
        node.control(&["set_policy", "impatient", ".*", never_again, "--apply-to", "queues"]);
    })
    .await;
    let (api, outsider) = (&broken.api, Outsider::connect_to(&broken.node.url).await);
    load(api, "before", 20).await;
    broken.published().await;
    // The projection is held up, so the broker's patience ends: it closes the channel, and drops what it would have
    // to deliver once more.
    let held = broken.ground.database.hold(HOLD).await;
    let head = backlog::record(&broken.ground.database, "held", 200).await;
    eventually("the channel is cut off", async || {
        outsider
            .consumers(&queue(&broken))
            .await
            .filter(|consumers| *consumers == 0)
    })
    .await;
    broken.published().await;
    assert_eq!(
        outsider.waiting(&queue(&broken)).await,
        Some(0),
        "what it delivered is dropped"
    );
    held.release().await;
    assert_eq!(api.quantity("held-7", head).await, Some(1));
    assert_views(api).await;
    broken.live("products").await;
    load(api, "afterwards", 50).await;
    assert_views(api).await;
    broken.stop().await;
}

/// Two heartbeats of ten seconds, and half of one because lapin looks that often.
const SILENCE_NOTICED: Duration = Duration::from_secs(25);

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_or_frozen_under_load_is_done_without_and_drained_to_when_it_is_back() {
    let broken = Broken::start(|_| {}).await;
    let api = &broken.api;
    load(api, "before", 20).await;
    let node = broken.node.clone();
    let restarting = tokio::task::spawn_blocking(move || node.order(&["restart"]));
    while !restarting.is_finished() {
        load(api, "killed", 10).await;
        assert_views(api).await;
    }
    restarting.await.expect("it is back");
    // The views are at the head whatever the queues do, which may take longer.
    assert_views(api).await;
    broken.published_again().await;
    drained(&broken).await;

    broken.node.order(&["freeze"]);
    within(SILENCE_NOTICED, "its silence is noticed", async || {
        load(api, "frozen", 10).await;
        assert_views(api).await;
        let ready = api.ops(broken.command.ops, "/readyz").await;
        (ready.status == 503).then_some(())
    })
    .await;
    broken.node.order(&["thaw"]);
    drained(&broken).await;
    broken.stop().await;
}

/// Everything is published and applied, and it goes on.
async fn drained(broken: &Broken) {
    broken.published().await;
    for subscriber in ["products", "low_stock"] {
        broken.live(subscriber).await;
    }
    load(&broken.api, "afterwards", 20).await;
    assert_views(&broken.api).await;
}
