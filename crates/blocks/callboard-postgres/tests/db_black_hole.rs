//! A network that swallows everything: no connection breaks, and no timeout of the server gets through.

mod common;

use std::time::{Duration, Instant};

use callboard::Log;
use callboard::Position;
use callboard::contract::{Items, ItemsLog};
use callboard::log::{AppendError, LockedLog, LogStore};
use callboard::subscription::Subscriber;
use callboard_postgres::{DatabaseConfig, PgProjection, pause_subscriber};
use common::network::Network;
use common::{items_database, items_log, put, record};

#[tokio::test]
async fn a_read_under_the_lock_that_never_arrives_ends_with_the_appends_deadline() {
    let database = items_database().await;
    let (network, connections) = Network::before(&database, |config| config).await;
    let log = items_log(&connections);
    record(&log, vec![put("x", 1, "first")]).await;
    let mut locked = log.lock().await.expect("the lock");
    network.swallow();
    let asked = Instant::now();
    let read = locked.read(Position::START, 10).await;
    assert!(matches!(read, Err(AppendError::Unavailable(_))), "{read:?}");
    assert!(asked.elapsed() < Duration::from_secs(7), "{:?}", asked.elapsed());
}

/// Nothing of background work may take long.
fn impatient(config: DatabaseConfig) -> DatabaseConfig {
    DatabaseConfig {
        acquire_timeout: Duration::from_millis(500),
        background_timeout: Duration::from_millis(500),
        ..config
    }
}

#[tokio::test]
async fn neither_the_start_of_a_projection_nor_an_operators_order_waits_for_ever() {
    let database = items_database().await;
    let (network, connections) = Network::before(&database, impatient).await;
    let mut projection = PgProjection::<Items>::new(&connections);
    projection.start().await.expect("it starts");
    network.swallow();
    let asked = Instant::now();
    let started = projection.start().await;
    assert!(started.is_err(), "{started:?}");
    let paused = pause_subscriber(&connections, ItemsLog::NAME, "items", "a test").await;
    assert!(paused.is_err(), "{paused:?}");
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}
