//! The relay on a network and a broker that fail.

mod support;

use std::time::{Duration, Instant};

use callboard::memory::MemoryLog;
use callboard::writer::Tap;
use callboard::{Position, Recorded};
use callboard_rabbitmq::testing::{Proxy, Sandbox, amqp_url};
use callboard_rabbitmq::{Relay, RelayConfig, RelayHandle};
use support::{LOG, MemoryRelayStore, Outsider, SILENCE_NOTICED, append, hear_up_to, soon, until, without_duplicates};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

fn start(
    sandbox: &Sandbox,
    url: &str,
    log: &MemoryLog,
    store: &MemoryRelayStore,
    confirm_within: Duration,
) -> (RelayHandle, CancellationToken, JoinHandle<()>) {
    let config = RelayConfig {
        confirm_within,
        ..RelayConfig::default()
    };
    let broker = sandbox.broker_at(url);
    let relay = Relay::new(LOG, &broker, &sandbox.topology, log.clone(), store.clone()).with_config(config);
    let (handle, stop) = (relay.handle(), CancellationToken::new());
    (handle, stop.clone(), tokio::spawn(relay.run(stop)))
}

async fn published(handle: &RelayHandle, position: u64) {
    until(handle, "everything is published", |status| {
        status.published == Position::new(position)
    })
    .await;
}

#[tokio::test]
async fn twenty_cut_connections_lose_nothing_and_leave_nothing_behind() {
    let sandbox = Sandbox::new(&[]);
    let (log, store) = (MemoryLog::new(), MemoryRelayStore::default());
    let proxy = Proxy::start(&amqp_url()).await;
    let mut heard = Outsider::new().await.listen(&sandbox).await;
    let (handle, stop, task) = start(&sandbox, proxy.url(), &log, &store, Duration::from_secs(10));
    let mut events: Vec<Recorded> = Vec::new();
    for round in 0..20 {
        let accepted = proxy.accepted();
        events.extend(append(&log, 100).await.iter().cloned());
        published(&handle, round * 500 + 100).await;
        let run = append(&log, 400).await;
        handle.recorded(&run);
        events.extend(run.iter().cloned());
        proxy.cut();
        until(&handle, "another connection", |status| {
            status.connected && proxy.accepted() > accepted
        })
        .await;
    }
    published(&handle, 10_000).await;
    assert_eq!(
        without_duplicates(hear_up_to(&mut heard, Position::new(10_000)).await),
        events
    );
    assert_eq!(proxy.connections(), 1);
    // One of the relay and one of the outsider.
    support::until_connection_threads(2).await;
    stop.cancel();
    soon("the relay's end", task).await.unwrap();
}

#[tokio::test]
async fn a_broker_that_is_away_is_waited_for() {
    let sandbox = Sandbox::new(&[]);
    let (log, store) = (MemoryLog::new(), MemoryRelayStore::default());
    let proxy = Proxy::start(&amqp_url()).await;
    let mut heard = Outsider::new().await.listen(&sandbox).await;
    proxy.refuse();
    let (handle, stop, task) = start(&sandbox, proxy.url(), &log, &store, Duration::from_secs(10));
    let events = append(&log, 100).await;
    let status = until(&handle, "an error", |status| status.last_error.is_some()).await;
    assert!(status.last_error.unwrap().contains("can't connect to the broker"));
    proxy.accept();
    published(&handle, 100).await;
    assert_eq!(hear_up_to(&mut heard, Position::new(100)).await, &events[..]);
    stop.cancel();
    soon("the relay's end", task).await.unwrap();
}

#[tokio::test]
async fn a_message_without_a_confirm_has_a_deadline() {
    let sandbox = Sandbox::new(&[]);
    let (log, store) = (MemoryLog::new(), MemoryRelayStore::default());
    let proxy = Proxy::start(&amqp_url()).await;
    let mut heard = Outsider::new().await.listen(&sandbox).await;
    let (handle, stop, task) = start(&sandbox, proxy.url(), &log, &store, Duration::from_millis(500));
    until(&handle, "a connection", |status| status.connected).await;
    proxy.freeze();
    let events = append(&log, 100).await;
    handle.recorded(&events);
    let status = until(&handle, "an error", |status| status.last_error.is_some()).await;
    assert!(
        status
            .last_error
            .unwrap()
            .contains("position 1 wasn't confirmed within 500ms")
    );
    assert_eq!(store.stored(), Position::START);
    proxy.thaw();
    published(&handle, 100).await;
    assert_eq!(
        without_duplicates(hear_up_to(&mut heard, Position::new(100)).await),
        &events[..]
    );
    stop.cancel();
    soon("the relay's end", task).await.unwrap();
}

#[tokio::test]
async fn a_silent_broker_is_noticed_by_an_idle_relay_within_heartbeats() {
    let sandbox = Sandbox::new(&[]);
    let (log, store) = (MemoryLog::new(), MemoryRelayStore::default());
    let proxy = Proxy::start(&amqp_url()).await;
    let (handle, stop, task) = start(
        &sandbox,
        &proxy.url_with_heartbeats(),
        &log,
        &store,
        Duration::from_secs(10),
    );
    until(&handle, "a connection", |status| status.connected).await;
    proxy.freeze();
    let frozen = Instant::now();
    until(&handle, "an error", |status| status.last_error.is_some()).await;
    assert!(
        frozen.elapsed() < SILENCE_NOTICED,
        "noticed after {:?}",
        frozen.elapsed()
    );
    proxy.thaw();
    append(&log, 1).await;
    published(&handle, 1).await;
    stop.cancel();
    soon("the relay's end", task).await.unwrap();
}

#[tokio::test]
async fn a_broker_that_blocks_is_waited_for_on_the_same_connection_and_shown() {
    let sandbox = Sandbox::new(&[]);
    let (log, store) = (MemoryLog::new(), MemoryRelayStore::default());
    let proxy = Proxy::start(&amqp_url()).await;
    let mut heard = Outsider::new().await.listen(&sandbox).await;
    let patience = Duration::from_secs(1);
    let (handle, stop, task) = start(&sandbox, proxy.url(), &log, &store, patience);
    until(&handle, "a connection", |status| status.connected).await;
    proxy.hold_up();
    let events = append(&log, 100).await;
    handle.recorded(&events);
    until(&handle, "messages in flight", |status| status.in_flight == 100).await;
    proxy.block("low on disk");
    let status = until(&handle, "the block", |status| status.blocked.is_some()).await;
    assert_eq!(status.blocked.as_deref(), Some("low on disk"));
    let mut status = handle.status();
    let impatient = status.wait_for(|status| status.last_error.is_some());
    assert!(
        tokio::time::timeout(patience * 2, impatient).await.is_err(),
        "it waits for as long as the block lasts"
    );
    proxy.unblock();
    proxy.thaw();
    published(&handle, 100).await;
    let status = handle.status().borrow().clone();
    assert_eq!((status.blocked, status.last_error), (None, None));
    assert_eq!(proxy.accepted(), 1, "it waited on one connection");
    assert_eq!(hear_up_to(&mut heard, Position::new(100)).await, &events[..]);
    stop.cancel();
    soon("the relay's end", task).await.unwrap();
}

#[tokio::test]
async fn a_relay_that_is_stopped_settles_what_is_in_flight_and_gives_its_lease_back() {
    let sandbox = Sandbox::new(&[]);
    let (log, store) = (MemoryLog::new(), MemoryRelayStore::default());
    let mut heard = Outsider::new().await.listen(&sandbox).await;
    let events = append(&log, 20_000).await;
    let (handle, stop, task) = start(&sandbox, &amqp_url(), &log, &store, Duration::from_secs(10));
    until(&handle, "something in flight", |status| status.in_flight > 0).await;
    stop.cancel();
    soon("the relay's end", task).await.unwrap();
    let (status, stored) = (handle.status().borrow().clone(), store.stored());
    assert_eq!(status.publishes, stored.get(), "all that was sent is settled");
    assert!(stored < Position::new(20_000), "it stopped before the end");
    let stopped = Instant::now();
    let (next, stop, task) = start(&sandbox, &amqp_url(), &log, &store, Duration::from_secs(10));
    until(&next, "the lease", |status| status.leader).await;
    assert!(
        stopped.elapsed() < Duration::from_secs(1),
        "the lease was not given back"
    );
    published(&next, 20_000).await;
    assert_eq!(
        hear_up_to(&mut heard, Position::new(20_000)).await,
        &events[..],
        "nothing twice"
    );
    stop.cancel();
    soon("the relay's end", task).await.unwrap();
}
