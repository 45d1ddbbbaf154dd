//! The pair when its log is put back to an earlier head, and when its broker has lost everything.

mod pair;

use callboard::Position;
use callboard::log::LogReader;
use callboard_rabbitmq::testing::Outsider;
use conformance::support::eventually;
use conformance::{System, Topology, backlog};
use pair::{assert_views, load, sell_out};

const SUBSCRIBERS: [&str; 3] = ["products", "low_stock", "low-product-quantity-notification"];

#[tokio::test]
async fn a_log_that_is_put_back_halts_its_subscribers_and_nothing_of_two_timelines_is_mixed() {
    let system = System::start(Topology::Brokered).await;
    let (api, ground) = (&system.api, system.ground());
    for sku in ["kept", "lost", "lost"] {
        api.increase(sku, 10).send().await.done();
    }
    assert_views(api).await;
    // Who hasn't seen what gets lost has nothing to halt for.
    let at_head = "select subscriber from callboard.checkpoints where log = 'warehouse' and position = 3";
    eventually("all are at the head", async || {
        let subscribers = ground.database.texts(at_head).await.len();
        (subscribers == SUBSCRIBERS.len()).then_some(())
    })
    .await;
    let rows = "select sku || ' ' || quantity from warehouse.products order by sku";
    let before = ground.database.texts(rows).await;
    assert_eq!(before, ["kept 10", "lost 20"]);
    let log = backlog::log(&ground.database);
    let lost = log
        .read(Position::new(1), 10)
        .await
        .expect("the log can be read")
        .events;
    ground
        .database
        .execute("delete from callboard.events where log = 'warehouse' and position > 1")
        .await;
    // The writer decides on the log as it is: nothing of `lost` is there to be shipped.
    api.ship("lost", 1)
        .send()
        .await
        .problem(409, "insufficient-quantity-on-hand");
    for position in 2..=4 {
        assert_eq!(api.increase("new", 5).send().await.done().position(), position);
    }
    let outsider = Outsider::connect().await;
    for event in &lost {
        outsider
            .publish_event(&ground.sandbox.topology, "warehouse", event)
            .await;
    }
    for subscriber in SUBSCRIBERS {
        let query = format!(
            "select state || ': ' || coalesce(reason, '') from callboard.subscribers where log = 'warehouse' and name = '{subscriber}'"
        );
        eventually("it halts and says why", async || {
            let row = ground.database.texts(&query).await.remove(0);
            (row.starts_with("halted: ") && row.contains("rebuild")).then_some(())
        })
        .await;
    }
    assert_eq!(
        ground.database.texts(rows).await,
        before,
        "neither timeline went on in the view"
    );
    system.stop().await;
}

#[tokio::test]
async fn a_broker_that_has_lost_everything_is_set_up_again_without_a_hand() {
    let system = System::start(Topology::Brokered).await;
    let topology = system.ground().sandbox.topology.clone();
    load(&system.api, "before", 50).await;
    let outsider = Outsider::connect().await;
    for exchange in [topology.frames(), topology.events(), topology.dead()] {
        outsider.delete_exchange(&exchange).await;
    }
    let queues = SUBSCRIBERS.map(|subscriber| topology.queue("warehouse", subscriber));
    for queue in &queues {
        outsider.delete_queue(queue).await;
    }
    load(&system.api, "after", 50).await;
    assert_views(&system.api).await;
    for queue in &queues {
        eventually("it is declared and consumed again", async || {
            outsider.consumers(queue).await.filter(|consumers| *consumers > 0)
        })
        .await;
    }
    load(&system.api, "later", 50).await;
    sell_out(&system.api, "later-0").await;
    assert_views(&system.api).await;
    let head = system.api.head().await;
    eventually("everything is published", async || {
        let relay = system.replicas[0].ops;
        let published = system.api.metric(relay, "callboard_relay_published", "warehouse").await;
        (published >= head as f64).then_some(())
    })
    .await;
    system.stop().await;
}
