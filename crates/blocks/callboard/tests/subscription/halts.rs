//! What halts a subscriber, and that it stays halted.

use callboard::memory::MemoryLog;
use callboard::subscription::{Lock, Mode, RunError, Runner};
use callboard::{Position, Recorded};

use crate::bank::events::{deposited, noted};
use crate::support::{Checked, Trouble, put};
use crate::{Balanced, delivered, past, with_past};

/// Ten events of which the seventh can't be folded.
async fn poisoned(text: &str) -> (MemoryLog, Vec<Recorded>, Checked, Balanced) {
    let log = MemoryLog::new();
    let mut past = past(10);
    past[6] = ("account-a", noted("a", text));
    let events = put(&log, &past).await;
    let store = Checked::new(&log);
    let runner = Runner::new(store.clone(), log.clone());
    (log, events, store, runner)
}

#[track_caller]
fn stopped<T: std::fmt::Debug>(outcome: Result<T, RunError>) -> String {
    match outcome {
        Err(RunError::Stopped { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

async fn is_halted_at_six(log: &MemoryLog, store: &Checked, runner: &mut Balanced) {
    let so_far = Checked::plain_fold(log, Position::new(6)).await;
    assert_eq!(
        store.position().await,
        Position::new(6),
        "everything in front of it is applied"
    );
    assert_eq!(store.rows().await, so_far);
    assert!(matches!(runner.status().borrow().mode, Mode::Halted(_)));
    let events = put(log, &[("account-a", deposited("a", 1))]).await;
    for _ in 0..3 {
        stopped(runner.offer(&delivered(&events)).await);
        stopped(runner.catch_up(Lock::Wait).await);
        assert_eq!(
            runner.look(None).await.expect("a halted one has nothing to look at"),
            None
        );
    }
    let mut other = Runner::new(store.clone(), log.clone());
    stopped(other.start().await);
    assert_eq!(store.rows().await, so_far, "nothing happens to a halted one");
}

#[tokio::test(start_paused = true)]
async fn an_event_on_which_the_fold_panics_halts_exactly_there_when_delivered() {
    for text in ["fold panics", "keys panics", "decode panics"] {
        let (log, events, store, mut runner) = poisoned(text).await;
        let reason = stopped(runner.offer(&delivered(&events)).await);
        assert!(reason.contains("position 7") && reason.contains(text), "{reason}");
        is_halted_at_six(&log, &store, &mut runner).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_on_which_the_fold_panics_halts_exactly_there_when_read_from_the_log() {
    for lock in [Lock::Wait, Lock::Skip] {
        let (log, _, store, mut runner) = poisoned("fold panics").await;
        let reason = stopped(runner.catch_up(lock).await);
        assert!(reason.contains("position 7"), "{reason}");
        is_halted_at_six(&log, &store, &mut runner).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_of_an_unknown_type_halts_exactly_there() {
    for delivered_too in [true, false] {
        let (log, _, store, mut runner) = with_past(6).await;
        let faulty = crate::support::FaultyLog::to(&log);
        faulty
            .record("account-a", "WrittenByANewerRelease", serde_json::json!({}))
            .await;
        put(&log, &past(4)[1..]).await;
        let events = crate::support::all(&log).await;
        let outcome = if delivered_too {
            runner.offer(&delivered(&events)).await.map(|_| ())
        } else {
            runner.catch_up(Lock::Wait).await
        };
        let reason = stopped(outcome);
        assert!(
            reason.contains("position 7") && reason.contains("WrittenByANewerRelease"),
            "{reason}"
        );
        is_halted_at_six(&log, &store, &mut runner).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_event_that_another_replica_has_applied_halts_nobody() {
    // A newer release runs beside this one and knows the event.
    let (log, _, store, mut old) = with_past(6).await;
    old.catch_up(Lock::Wait).await.expect("it goes on");
    let faulty = crate::support::FaultyLog::to(&log);
    faulty
        .record("account-a", "WrittenByANewerRelease", serde_json::json!({}))
        .await;
    let events = crate::support::all(&log).await;
    let mut newer = store.clone();
    let known = events[6].with(deposited("a", 1));
    callboard::subscription::Subscriber::apply(&mut newer, &[known], Lock::Wait)
        .await
        .expect("it knows it");
    assert!(
        old.offer(&delivered(&events[6..]))
            .await
            .expect("it goes on")
            .is_empty()
    );
    let mut old = Runner::new(store.clone(), log.clone());
    old.catch_up(Lock::Wait).await.expect("it goes on");
    assert_eq!(store.position().await, Position::new(7));
}

#[tokio::test(start_paused = true)]
async fn a_halt_that_cannot_be_stored_is_met_again_at_the_next_start() {
    let (log, events, store, mut runner) = poisoned("fold panics").await;
    store.lose_halts(2);
    for _ in 0..3 {
        stopped(runner.offer(&delivered(&events)).await);
        assert_eq!(store.position().await, Position::new(6));
    }
    is_halted_at_six(&log, &store, &mut runner).await;
}

#[tokio::test(start_paused = true)]
async fn a_database_that_is_away_is_no_poison() {
    let (log, events, store, mut runner) = with_past(10).await;
    for _ in 0..5 {
        store.next_runs([Trouble::Away]);
        let error = runner.offer(&delivered(&events)).await.expect_err("it can't go on");
        assert!(matches!(error, RunError::Subscriber(_)), "{error:?}");
        store.next_runs([Trouble::Away]);
        let error = runner.catch_up(Lock::Wait).await.expect_err("it can't go on");
        assert!(matches!(error, RunError::Subscriber(_)), "{error:?}");
    }
    runner.catch_up(Lock::Wait).await.expect("it goes on");
    assert_eq!(store.rows().await, Checked::plain_fold(&log, Position::new(10)).await);
}

/// Stands at 8 of 8 when the log is put back to 5.
async fn put_back() -> (MemoryLog, Vec<Recorded>, Checked, Balanced) {
    let (log, events, store, mut runner) = with_past(8).await;
    runner.catch_up(Lock::Wait).await.expect("it goes on");
    log.put_back_to(Position::new(5));
    (log, events, store, runner)
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_beyond_the_head_halts() {
    let (log, _, store, mut runner) = put_back().await;
    let before = store.rows().await;
    let reason = stopped(runner.look(None).await);
    assert!(
        reason.contains("beyond the log's head") && reason.contains("rebuild"),
        "{reason}"
    );
    let mut restarted = Runner::new(store.clone(), log.clone());
    stopped(restarted.catch_up(Lock::Wait).await);
    assert_eq!(store.rows().await, before);
}

#[tokio::test(start_paused = true)]
async fn another_event_at_the_checkpoint_halts() {
    let (log, _, store, mut runner) = put_back().await;
    let before = store.rows().await;
    put(&log, &past(4)[1..]).await;
    let reason = stopped(runner.look(None).await);
    assert!(
        reason.contains("another timeline") && reason.contains("rebuild"),
        "{reason}"
    );
    assert_eq!(store.rows().await, before, "nothing is mixed");
}

#[tokio::test(start_paused = true)]
async fn a_delivery_of_the_new_timeline_makes_it_look_and_halt() {
    let (log, _, store, mut runner) = put_back().await;
    let before = store.rows().await;
    let fresh = put(&log, &past(7)[1..]).await;
    assert!(
        runner
            .offer(&delivered(&fresh[..2]))
            .await
            .expect("positions 6 and 7 it had")
            .is_empty()
    );
    stopped(runner.offer(&delivered(&fresh[3..4])).await);
    assert_eq!(store.rows().await, before, "nothing is mixed");
}

#[tokio::test(start_paused = true)]
async fn a_stalled_one_behind_a_longer_timeline_halts_at_its_look() {
    let (log, _, store, mut runner) = put_back().await;
    let before = store.rows().await;
    put(&log, &past(20)[1..]).await;
    let seen = runner.look(None).await.expect("it moved a while ago, maybe");
    stopped(runner.look(seen).await);
    assert_eq!(store.rows().await, before, "nothing is mixed");
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_somebody_rebuilds_is_no_fork_and_is_followed() {
    let (log, events, store, mut runner) = with_past(8).await;
    runner.catch_up(Lock::Wait).await.expect("it goes on");
    // The runner still believes in 8.
    store.rebuild();
    assert!(
        runner
            .offer(&delivered(&events[6..]))
            .await
            .expect("duplicates, as far as it knows")
            .is_empty()
    );
    let fresh = put(&log, &past(3)[1..]).await;
    assert!(runner.offer(&delivered(&fresh)).await.expect("it goes on").is_empty());
    assert_eq!(store.rows().await, Checked::plain_fold(&log, Position::new(10)).await);
    // And once more, after the log was put back to another timeline.
    log.put_back_to(Position::new(5));
    store.rebuild();
    runner
        .catch_up(Lock::Wait)
        .await
        .expect("the stored checkpoint is of this timeline");
    assert_eq!(store.rows().await, Checked::plain_fold(&log, Position::new(5)).await);
}
