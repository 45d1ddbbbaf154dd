//! A network that swallows everything: no connection breaks, and no timeout of the server gets through.

mod common;

use std::time::{Duration, Instant};

use callboard::Position;
use callboard::log::{AppendError, LockedLog, LogStore};
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
