//! How often a checkpoint is stored that has no commands with it.

use std::time::Duration;

use callboard::memory::MemoryLog;
use callboard::subscription::Lock;
use tokio::time::Instant;

use crate::bank::events::noted;
use crate::support::put;
use crate::{Managed, begun, gift, openings, pending};

/// How long it takes to catch up with one event more.
async fn one_more(log: &MemoryLog, manager: &mut Managed, opened: Option<&'static str>) -> Duration {
    match opened {
        Some(name) => put(log, &openings(&[name])).await,
        None => put(log, &[("account-a", noted("a", "nothing follows"))]).await,
    };
    let begun = Instant::now();
    manager.catch_up(Lock::Wait).await.expect("it goes on");
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn checkpoints_alone_are_stored_apart_and_commands_at_once() {
    let log = MemoryLog::new();
    let (store, mut manager) = begun(&log).await;
    one_more(&log, &mut manager, None).await;
    assert!(one_more(&log, &mut manager, None).await >= Duration::from_millis(50));
    assert_eq!(one_more(&log, &mut manager, Some("a")).await, Duration::ZERO);
    assert_eq!(store.advanced(), [(0, 1), (1, 2), (2, 3)]);
    assert_eq!(pending(&store).await, [gift(3, "a", 10)]);
}

#[tokio::test(start_paused = true)]
async fn who_is_behind_waits_for_no_checkpoint() {
    let log = MemoryLog::new();
    let (store, mut manager) = begun(&log).await;
    one_more(&log, &mut manager, None).await;
    put(&log, &vec![("account-a", noted("a", "nothing follows")); 3_600]).await;
    let begun = Instant::now();
    manager.catch_up(Lock::Wait).await.expect("it goes on");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let parts = [(0, 1), (1, 1_001), (1_001, 2_001), (2_001, 3_001), (3_001, 3_601)];
    assert_eq!(store.advanced(), parts);
}
