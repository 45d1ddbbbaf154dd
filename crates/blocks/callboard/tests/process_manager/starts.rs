//! Where a process manager begins, where it continues, and when it must not.

use callboard::memory::MemoryLog;
use callboard::process_manager::{ProcessManagerStore, Registration};
use callboard::subscription::{Lock, Mode, RunError};
use callboard::{Checkpoint, Position};

use crate::bank::events::{deposited, noted};
use crate::store::Store;
use crate::support::put;
use crate::{begun, gift, managed, openings, pending};

#[track_caller]
fn stopped<T: std::fmt::Debug>(outcome: Result<T, RunError>) -> String {
    match outcome {
        Err(RunError::Stopped { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_start_is_at_the_head_without_back_filling() {
    let log = MemoryLog::new();
    put(&log, &openings(&["a", "b"])).await;
    let store = Store::default();
    let mut manager = managed(&store, &log);
    manager.catch_up(Lock::Wait).await.expect("it starts");
    assert_eq!(store.position().await, Position::new(2));
    assert!(
        pending(&store).await.is_empty(),
        "nothing that happened before it is reacted to"
    );
    put(&log, &openings(&["c"])).await;
    manager.catch_up(Lock::Wait).await.expect("it goes on");
    assert_eq!(
        pending(&store).await,
        [gift(3, "c", 30)],
        "but its state has folded all of it"
    );
}

#[tokio::test(start_paused = true)]
async fn on_an_empty_log_it_begins_before_the_first_event() {
    let log = MemoryLog::new();
    let (store, mut manager) = begun(&log).await;
    assert_eq!(store.registered(), [Checkpoint::START]);
    put(&log, &openings(&["a"])).await;
    manager.catch_up(Lock::Wait).await.expect("it goes on");
    assert_eq!(pending(&store).await, [gift(1, "a", 10)]);
}

#[tokio::test(start_paused = true)]
async fn a_restart_continues_where_it_stopped_with_the_same_state() {
    let log = MemoryLog::new();
    let (store, mut manager) = begun(&log).await;
    put(&log, &openings(&["a", "b"])).await;
    manager.catch_up(Lock::Wait).await.expect("it goes on");
    drop(manager);
    put(&log, &openings(&["c"])).await;
    let mut restarted = managed(&store, &log);
    restarted.start().await.expect("it starts");
    assert_eq!(store.registered().len(), 1, "it is registered once, for good");
    restarted.catch_up(Lock::Wait).await.expect("it goes on");
    assert_eq!(
        pending(&store).await,
        [gift(1, "a", 10), gift(2, "b", 20), gift(3, "c", 30)]
    );
}

#[tokio::test(start_paused = true)]
async fn of_two_replicas_that_register_at_once_the_first_wins() {
    let log = MemoryLog::new();
    let store = Store::default();
    // It reads the head, and before it registers another one does, and events come.
    let at = Checkpoint::START;
    store.register(at).await.expect("it registers");
    put(&log, &openings(&["a"])).await;
    let mut late = managed(&store, &log);
    store
        .register(Checkpoint {
            position: Position::new(1),
            ..at
        })
        .await
        .expect("it is too late");
    late.catch_up(Lock::Wait).await.expect("it goes on");
    assert_eq!(pending(&store).await, [gift(1, "a", 10)]);
}

#[tokio::test(start_paused = true)]
async fn registered_without_a_checkpoint_is_an_error_and_never_a_jump() {
    let log = MemoryLog::new();
    let (store, _) = begun(&log).await;
    put(&log, &openings(&["a"])).await;
    store.lose_checkpoint();
    let mut manager = managed(&store, &log);
    let reason = stopped(manager.start().await);
    assert!(reason.contains("checkpoint is gone"), "{reason}");
    assert!(matches!(manager.status().borrow().mode, Mode::Halted(_)));
    assert_eq!(store.registered().len(), 1);
    assert!(pending(&store).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_at_the_start_is_tried_again() {
    let log = MemoryLog::new();
    let store = Store::default();
    store.fail_loads(2);
    let mut manager = managed(&store, &log);
    for _ in 0..2 {
        let error = manager.start().await.expect_err("it can't start");
        assert!(matches!(error, RunError::Subscriber(_)), "{error:?}");
    }
    manager.start().await.expect("it starts");
}

#[tokio::test(start_paused = true)]
async fn a_long_past_is_folded_page_by_page() {
    let log = MemoryLog::new();
    put(&log, &openings(&["a"])).await;
    put(
        &log,
        &(0..2_300).map(|_| ("account-a", deposited("a", 1))).collect::<Vec<_>>(),
    )
    .await;
    let store = Store::default();
    let mut manager = managed(&store, &log);
    manager.start().await.expect("it starts");
    put(&log, &openings(&["b"])).await;
    manager.catch_up(Lock::Wait).await.expect("it goes on");
    assert_eq!(pending(&store).await, [gift(2_302, "b", 20)]);
}

#[tokio::test(start_paused = true)]
async fn a_reaction_that_panics_halts_exactly_there_with_what_was_before_it_stored() {
    for text in ["react panics", "evolve panics", "decode panics"] {
        let log = MemoryLog::new();
        let (store, mut manager) = begun(&log).await;
        put(&log, &openings(&["a", "b"])).await;
        put(&log, &[("account-a", noted("a", text))]).await;
        put(&log, &openings(&["c"])).await;
        let reason = stopped(manager.catch_up(Lock::Wait).await);
        assert!(reason.contains("position 3") && reason.contains(text), "{reason}");
        assert_eq!(
            store.halted(),
            Some(reason),
            "halting is the default of process managers"
        );
        assert_eq!(store.advanced(), [(0, 2)]);
        stopped(managed(&store, &log).catch_up(Lock::Wait).await);
        assert_eq!(store.advanced(), [(0, 2)], "and it stays halted");
        store.gate().resume();
        assert_eq!(pending(&store).await, [gift(1, "a", 10), gift(2, "b", 20)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_that_was_put_back_halts_it_running_or_starting() {
    for restarts in [false, true] {
        for grows in [false, true] {
            let log = MemoryLog::new();
            let (store, mut manager) = begun(&log).await;
            put(&log, &openings(&["a", "b"])).await;
            manager.catch_up(Lock::Wait).await.expect("it goes on");
            log.put_back_to(Position::new(1));
            if grows {
                put(&log, &openings(&["c", "d"])).await;
            }
            if restarts {
                manager = managed(&store, &log);
            }
            let before = pending(&store).await;
            let reason = stopped(manager.catch_up(Lock::Wait).await);
            assert!(reason.contains("rebuild"), "{reason}");
            assert!(store.halted().is_some(), "restarts {restarts}, grows {grows}");
            store.gate().resume();
            assert_eq!(
                pending(&store).await,
                before,
                "nothing of the new timeline is reacted to"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_halted_one_does_not_start() {
    let log = MemoryLog::new();
    let (store, _) = begun(&log).await;
    store.halt("by a person").await.expect("it is stored");
    assert_eq!(
        store.load().await.expect("it loads"),
        Registration::StandBy("halted: by a person".into())
    );
    assert_eq!(stopped(managed(&store, &log).start().await), "halted: by a person");
}
