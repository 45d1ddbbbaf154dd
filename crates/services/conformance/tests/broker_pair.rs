//! The pair under what a broker may do to it. Correctness never depends on the broker.

mod pair;

use std::time::Duration;

use callboard::Position;
use callboard::log::LogReader;
use callboard_rabbitmq::testing::{Outsider, Proxy, amqp_url};
use conformance::support::{eventually, within};
use conformance::system::{Ground, command, projector};
use conformance::{Api, System, Topology, backlog};
use pair::{assert_views, load, sell_out};

#[tokio::test]
async fn a_purged_queue_is_read_from_the_log() {
    let system = System::start(Topology::Brokered).await;
    let ground = system.ground();
    let outsider = Outsider::connect().await;
    // More than a consumer has in its hands waits in the queue, while its projection is held up.
    let held = "select from callboard.checkpoints where subscriber = 'products' for update";
    let held = ground.database.hold(held).await;
    let head = backlog::record(&ground.database, "purged", 12_000).await;
    let queue = ground.sandbox.topology.queue("warehouse", "products");
    eventually("everything is published", async || {
        let published = system
            .api
            .metric(system.replicas[0].ops, "callboard_relay_published", "warehouse")
            .await;
        (published >= head as f64).then_some(())
    })
    .await;
    let purged = outsider.purge(&queue).await;
    assert!(purged > 20, "only {purged} frames were thrown away");
    held.release().await;
    assert_views(&system.api).await;
    assert_eq!(system.api.quantity("purged-7", head).await, Some(12));
    // And on with what comes then.
    load(&system.api, "afterwards", 50).await;
    assert_views(&system.api).await;
    system.stop().await;
}

#[tokio::test]
async fn a_queue_that_is_deleted_while_consumed_is_declared_again() {
    let system = System::start(Topology::Brokered).await;
    let outsider = Outsider::connect().await;
    let topology = system.ground().sandbox.topology.clone();
    load(&system.api, "deleted", 50).await;
    for subscriber in ["products", "low-product-quantity-notification"] {
        let queue = topology.queue("warehouse", subscriber);
        // A deletion in the middle of the declaration leaves RabbitMQ with a name that it can't declare any more until
        // it restarts (rabbitmq-server#17137, #17457): then views follow the log.
        eventually("it is consumed", async || {
            outsider.consumers(&queue).await.filter(|consumers| *consumers > 0)
        })
        .await;
        outsider.delete_queue(&queue).await;
        load(&system.api, "deleted", 50).await;
        within(Duration::from_secs(5), "it is declared again", async || {
            outsider.consumers(&queue).await.filter(|consumers| *consumers > 0)
        })
        .await;
        assert_views(&system.api).await;
    }
    sell_out(&system.api, "deleted-0").await;
    system.stop().await;
}

#[tokio::test]
async fn while_the_broker_is_away_commands_go_on_and_views_follow_the_log() {
    let ground = Ground::new().await;
    let network = Proxy::start(&amqp_url()).await;
    let mut config = ground.config();
    config.amqp_url = network.url().into();
    let (command, projector) = tokio::join!(command(config.clone()), projector(config));
    let api = Api::new(command.http, projector.http);
    for replica in [&command, &projector] {
        api.until_ready(replica.ops).await;
    }
    load(&api, "cut-off", 50).await;
    network.refuse();
    for _ in 0..3 {
        load(&api, "cut-off", 50).await;
        assert_views(&api).await;
    }
    // A process manager's commands don't need it either.
    sell_out(&api, "cut-off-0").await;
    for replica in [&command, &projector] {
        eventually("its absence is said", async || {
            let ready = api.ops(replica.ops, "/readyz").await;
            let reason = ready.body["detail"].as_str().unwrap_or_default().contains("AMQP_URL");
            (ready.status == 503 && reason).then_some(())
        })
        .await;
    }
    network.accept();
    let head = api.head().await;
    for replica in [&command, &projector] {
        api.until_ready(replica.ops).await;
    }
    eventually("everything is published", async || {
        let published = api.metric(command.ops, "callboard_relay_published", "warehouse").await;
        (published >= head as f64).then_some(())
    })
    .await;
    load(&api, "cut-off", 50).await;
    assert_views(&api).await;
    command.stop().await;
    projector.stop().await;
}

#[tokio::test]
async fn a_pair_that_starts_without_its_broker_serves_all_the_same() {
    let ground = Ground::new().await;
    let network = Proxy::start(&amqp_url()).await;
    network.refuse();
    let mut config = ground.config();
    config.amqp_url = network.url().into();
    let (command, projector) = tokio::join!(command(config.clone()), projector(config));
    let api = Api::new(command.http, projector.http);
    load(&api, "alone", 50).await;
    assert_views(&api).await;
    sell_out(&api, "alone-0").await;
    for replica in [&command, &projector] {
        let ready = api.ops(replica.ops, "/readyz").await.problem(503, "not-ready");
        let reason = ready.body["detail"].as_str().expect("text");
        assert!(reason.starts_with("broker: "), "{reason}");
    }
    network.accept();
    for replica in [&command, &projector] {
        api.until_ready(replica.ops).await;
    }
    let head = api.head().await;
    eventually("everything is published", async || {
        let published = api.metric(command.ops, "callboard_relay_published", "warehouse").await;
        (published >= head as f64).then_some(())
    })
    .await;
    load(&api, "alone", 50).await;
    assert_views(&api).await;
    command.stop().await;
    projector.stop().await;
}

#[tokio::test]
async fn of_two_projectors_each_can_go_away_and_no_event_is_applied_twice() {
    let ground = Ground::new().await;
    let (command, one, other) = tokio::join!(ground.command(), ground.projector(), ground.projector());
    let (of_one, of_other) = (Api::new(command.http, one.http), Api::new(command.http, other.http));
    for replica in [&command, &one, &other] {
        of_one.until_ready(replica.ops).await;
    }
    load(&of_one, "doubled", 200).await;
    assert_views(&of_one).await;
    assert_views(&of_other).await;
    // Whoever of the two was at it: gone in the middle of it, and back.
    let ((), _) = tokio::join!(async { drop(one) }, load(&of_other, "doubled", 200));
    assert_views(&of_other).await;
    let third = ground.projector().await;
    let of_third = Api::new(command.http, third.http);
    of_third.until_ready(third.ops).await;
    let ((), _) = tokio::join!(async { drop(other) }, load(&of_third, "doubled", 200));
    assert_views(&of_third).await;
    sell_out(&of_third, "doubled-0").await;
    command.stop().await;
    third.stop().await;
}

#[tokio::test]
async fn a_message_that_is_not_ours_is_a_dead_letter_and_blocks_nothing() {
    let system = System::start(Topology::Brokered).await;
    let (api, ground) = (&system.api, system.ground());
    let topology = &ground.sandbox.topology;
    load(api, "forged", 20).await;
    let head = api.head().await;
    let log = backlog::log(&ground.database);
    let mut events = log
        .read(Position::START, 1_000)
        .await
        .expect("the log can be read")
        .events;
    let last = events.pop().expect("some");
    let outsider = Outsider::connect().await;
    let queue = topology.queue("warehouse", "products");
    eventually("the projection is at the head", async || {
        api.get("/warehouse/products").at(head).send().await.with_status(200);
        Some(())
    })
    .await;
    outsider.publish_bytes("", &queue, b"no event").await;
    let mut beyond = last.clone();
    (beyond.position, beyond.previous_id) = (Position::new(head + 1_000), last.id);
    let mut next = last.clone();
    (next.position, next.id, next.previous_id) = (Position::new(head + 1), uuid::Uuid::now_v7(), last.id);
    for forged in [&beyond, &next] {
        // To the exchange, so that every subscriber gets it.
        outsider.publish_event(topology, "warehouse", forged).await;
    }
    let mut letters = Vec::new();
    eventually("seven dead letters", async || {
        letters.extend(outsider.dead_letter(topology).await);
        (letters.len() == 7).then_some(())
    })
    .await;
    let of = |subscriber: &str| letters.iter().filter(|letter| letter.subscriber == subscriber).count();
    assert_eq!(of("products"), 3, "{letters:?}");
    assert_eq!(of("low_stock"), 2, "{letters:?}");
    assert_eq!(of("low-product-quantity-notification"), 2, "{letters:?}");
    assert!(letters.iter().all(|letter| !letter.reason.is_empty()), "{letters:?}");
    assert_eq!(letters.iter().filter(|letter| letter.body == b"no event").count(), 1);
    assert_eq!(api.head().await, head);
    // A late copy is no letter, just a duplicate.
    outsider.publish_event(topology, "warehouse", &last).await;
    load(api, "forged", 20).await;
    assert_views(api).await;
    assert_eq!(outsider.dead_letter(topology).await, None);
    system.stop().await;
}

#[tokio::test]
async fn two_deployments_on_one_broker_and_one_server_share_nothing() {
    let (one, other) = tokio::join!(System::start(Topology::Brokered), System::start(Topology::Brokered));
    let (first, second) = tokio::join!(load(&one.api, "crossed", 100), load(&other.api, "crossed", 60));
    assert_eq!((first, second), (100, 60));
    let (here, there) = (one.api.events(0).await, other.api.events(0).await);
    assert_eq!((here.len(), there.len()), (100, 60));
    assert!(
        here.iter()
            .all(|event| there.iter().all(|other| other["id"] != event["id"]))
    );
    for system in [&one, &other] {
        assert_views(&system.api).await;
        let outsider = Outsider::connect().await;
        let topology = &system.ground().sandbox.topology;
        assert_eq!(outsider.dead_letter(topology).await, None);
    }
    // What one of them notifies is nothing to the other one.
    sell_out(&one.api, "crossed-0").await;
    assert_eq!(other.api.head().await, 60);
    one.stop().await;
    other.stop().await;
}
