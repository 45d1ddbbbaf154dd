//! Built for speed, shown by counts: how many transactions, how many messages in flight.

use callboard::Log;
use callboard_postgres::{PgLog, PgRelayStore};
use callboard_rabbitmq::Relay;
use conformance::support::{PATIENCE, eventually};
use conformance::system::Ground;
use conformance::{Api, System, Topology, backlog};
use futures::future::{join, join_all};
use tokio_util::sync::CancellationToken;
use warehouse::Warehouse;

const CLIENTS: usize = 64;
const TURNS: usize = 8;
const PRODUCTS: usize = 1_000;
const SENT: &str = "callboard_append_transactions_total";
const LOCK_LOG: &str = "select from callboard.logs where log = 'warehouse' for update";

/// 64 clients with one request at a time over 1,000 products, all of which come while the append of the first one waits
/// for the log's lock: how many gather otherwise is the machine's to say. Returns how many commands were done.
async fn load(system: &System) -> usize {
    let (api, ops) = (&system.api, system.replicas[0].ops);
    let increase = async |client: usize, turn: usize| {
        let sku = format!("counted-{}", (client * 131 + turn * 17) % PRODUCTS);
        api.increase(&sku, 1).send().await.done();
    };
    for turn in 0..TURNS {
        let sent = api.metric(ops, SENT, "warehouse").await;
        let lock = system.ground().database.hold(LOCK_LOG).await;
        let gathered = async {
            eventually("the first append is on its way", async || {
                (api.metric(ops, SENT, "warehouse").await > sent).then_some(())
            })
            .await;
            let others = join_all((1..CLIENTS).map(|client| increase(client, turn)));
            let all_wait = async {
                eventually("all others wait", async || {
                    let waiting = api.metric(ops, "callboard_writer_queue_commands", "warehouse").await;
                    (waiting == (CLIENTS - 1) as f64).then_some(())
                })
                .await;
                lock.release().await;
            };
            join(others, all_wait).await;
        };
        join(increase(0, turn), gathered).await;
    }
    TURNS * CLIENTS
}

async fn appends_are_shared(topology: Topology) {
    let system = System::start(topology).await;
    let (api, ops) = (&system.api, system.replicas[0].ops);
    // Whoever records first makes the log, whose row is locked then.
    api.increase("counted-0", 1).send().await.done();
    let commands = 1 + load(&system).await;
    assert_eq!(api.head().await, commands as u64);
    // Every event keeps the number of the transaction that recorded it.
    let query = "select count(distinct xmin::text)::text from callboard.events where log = 'warehouse'";
    let recorded: usize = system.ground().database.texts(query).await[0]
        .parse()
        .expect("a number");
    let sent = api.metric(ops, SENT, "warehouse").await;
    let appends = api.metric(ops, "callboard_appends_total", "warehouse").await;
    eprintln!("{commands} commands in {recorded} transactions, {sent} sent, {appends} done");
    assert!(
        recorded * 10 <= commands,
        "{recorded} transactions for {commands} commands"
    );
    assert!(
        sent * 10.0 <= commands as f64,
        "{sent} appends were sent for {commands} commands"
    );
    assert_eq!(appends, recorded as f64, "one append is one transaction");
    system.stop().await;
}

#[tokio::test]
async fn sixty_four_clients_share_appends_brokered() {
    appends_are_shared(Topology::Brokered).await;
}

#[tokio::test]
async fn sixty_four_clients_share_appends_inline() {
    appends_are_shared(Topology::Inline).await;
}

#[tokio::test]
async fn a_process_manager_decodes_nothing_that_the_writer_in_its_process_has_recorded() {
    let system = System::start(Topology::Brokered).await;
    let (api, ops) = (&system.api, system.replicas[0].ops);
    for _ in 0..3 {
        api.increase("known", 1).send().await.done();
    }
    let messages = async |from| {
        let labels = format!("subscriber=\"low-product-quantity-notification\",from=\"{from}\"");
        api.metric(ops, "callboard_feed_messages_total", &labels).await
    };
    eventually("its queue has brought something", async || {
        (messages("writer").await + messages("body").await > 0.0).then_some(())
    })
    .await;
    assert_eq!(messages("body").await, 0.0);
    system.stop().await;
}

#[tokio::test]
async fn a_waiting_backlog_is_applied_in_few_transactions() {
    let ground = Ground::new().await;
    // It has a checkpoint already, or it would rebuild.
    let before = ground.projector().await;
    Api::new(before.http, before.http).until_ready(before.ops).await;
    before.stop().await;
    let head = backlog::record(&ground.database, "waiting", 20_000).await;
    let projector = ground.projector().await;
    let api = Api::new(projector.http, projector.http);
    for path in ["/warehouse/products", "/warehouse/low_stock"] {
        api.get(path)
            .at(head)
            .header("prefer", "wait=30")
            .send()
            .await
            .with_status(200);
    }
    assert_eq!(api.quantity("waiting-999", head).await, Some(20));
    for subscriber in ["warehouse.products", "warehouse.low_stock"] {
        let of = |name: &'static str| api.metric(projector.ops, name, subscriber);
        eventually("it is counted", async || {
            (of("callboard_subscriber_applied_total").await >= head as f64).then_some(())
        })
        .await;
        assert_eq!(of("callboard_subscriber_applied_total").await, head as f64, "each once");
        let transactions = of("callboard_subscriber_transactions_total").await;
        eprintln!("{subscriber}: {head} events in {transactions} transactions");
        assert!(transactions * 20.0 <= head as f64, "{transactions} transactions");
    }
    projector.stop().await;
}

#[tokio::test]
async fn what_waits_in_queues_is_applied_in_few_transactions() {
    let system = System::start(Topology::Brokered).await;
    let (api, projector) = (&system.api, &system.replicas[1]);
    let head = backlog::record(&system.ground().database, "queued", 10_000).await;
    for path in ["/warehouse/products", "/warehouse/low_stock"] {
        api.get(path)
            .at(head)
            .header("prefer", "wait=30")
            .send()
            .await
            .with_status(200);
    }
    for subscriber in [
        "warehouse.products",
        "warehouse.low_stock",
        "warehouse.low-product-quantity-notification",
    ] {
        let of = |name: &'static str| api.metric(projector.ops, name, subscriber);
        eventually("it is counted", async || {
            (of("callboard_subscriber_applied_total").await >= head as f64).then_some(())
        })
        .await;
        let transactions = of("callboard_subscriber_transactions_total").await;
        eprintln!("{subscriber}: {head} events in {transactions} transactions");
        assert!(transactions * 20.0 <= head as f64, "{transactions} transactions");
        let applied = of("callboard_subscriber_applied_total").await;
        assert_eq!(applied, head as f64, "each once");
    }
    system.stop().await;
}

#[tokio::test]
async fn confirms_are_never_awaited_one_by_one() {
    let ground = Ground::new().await;
    let head = backlog::record(&ground.database, "published", 5_000).await;
    let database = ground.database.connect();
    let relay = Relay::new(
        Warehouse::NAME,
        &ground.sandbox.broker(),
        &ground.sandbox.topology,
        PgLog::new::<Warehouse>(&database),
        PgRelayStore::new::<Warehouse>(&database),
    );
    let (handle, stopping) = (relay.handle(), CancellationToken::new());
    let running = tokio::spawn(relay.run(stopping.clone()));
    let mut status = handle.status();
    let published = status.wait_for(|status| status.published.get() == head);
    let published = tokio::time::timeout(PATIENCE, published).await.is_ok();
    let status = handle.status().borrow().clone();
    assert!(published, "{status:?}");
    eprintln!(
        "{} messages, up to {} in flight, {} moves of the position, {} reads of the log",
        status.publishes, status.most_in_flight, status.advances, status.reads
    );
    assert_eq!(status.publishes, head, "each once");
    assert!(status.most_in_flight > 100, "{status:?}");
    assert!(status.advances * 4 <= head, "{status:?}");
    assert!(status.reads * 20 <= head, "{status:?}");
    stopping.cancel();
    running.await.expect("the relay does not panic");
}
