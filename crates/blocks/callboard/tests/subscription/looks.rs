//! The idle look: healing from the log what no feed brings.

use callboard::Position;
use callboard::subscription::{Lock, Runner};

use crate::support::{Checked, FaultyLog, Step, Trouble, put};
use crate::{delivered, past, with_past};

#[tokio::test(start_paused = true)]
async fn one_that_stands_still_behind_the_head_is_brought_on_at_the_second_look() {
    let (log, _, store, mut runner) = with_past(10).await;
    runner.start().await.expect("it starts");
    let seen = runner.look(None).await.expect("a look");
    assert_eq!(store.position().await, Position::START, "it may be about to move");
    assert_eq!(runner.status().borrow().lag_events(), 10, "but the lag shows");
    runner.look(seen).await.expect("a look");
    assert_eq!(store.position().await, Position::new(10));
    assert_eq!(store.rows().await, Checked::plain_fold(&log, Position::new(10)).await);
    assert_eq!(runner.status().borrow().lag_events(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_that_moves_is_left_alone() {
    let (_, events, store, mut runner) = with_past(10).await;
    runner.start().await.expect("it starts");
    let mut seen = runner.look(None).await.expect("a look");
    for event in &events[..9] {
        runner.offer(&delivered([event])).await.expect("it goes on");
        let before = store.runs().len();
        seen = runner.look(seen).await.expect("a look");
        assert_eq!(store.runs().len(), before, "it only looked");
    }
    runner.look(seen).await.expect("a look");
    assert_eq!(store.position().await, Position::new(10), "now it stood still");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_stands_by_sees_the_others_progress_and_keeps_still() {
    let (log, events, store, mut standby) = with_past(10).await;
    let mut active = Runner::new(store.clone(), log.clone());
    standby.start().await.expect("it starts");
    let mut seen = standby.look(None).await.expect("a look");
    for event in &events {
        active.offer(&delivered([event])).await.expect("it goes on");
        seen = standby.look(seen).await.expect("a look");
    }
    let status = standby.status();
    assert_eq!(
        (status.borrow().applied, status.borrow().checkpoint.position),
        (0, Position::new(10))
    );
}

#[tokio::test(start_paused = true)]
async fn while_another_replica_holds_the_checkpoint_the_look_does_not_wait() {
    let (_, _, store, mut runner) = with_past(10).await;
    runner.start().await.expect("it starts");
    let seen = runner.look(None).await.expect("a look");
    store.next_runs([Trouble::Busy]);
    let seen = runner.look(seen).await.expect("a look");
    assert_eq!(
        (store.position().await, store.runs().len()),
        (Position::START, 1),
        "one try"
    );
    runner.look(seen).await.expect("a look");
    assert_eq!(store.position().await, Position::new(10));
}

#[tokio::test(start_paused = true)]
async fn a_look_that_fails_is_worth_a_retry() {
    let (log, _, store, _) = with_past(10).await;
    let faulty = FaultyLog::to(&log);
    let mut runner = Runner::new(store.clone(), faulty.clone());
    runner.start().await.expect("it starts");
    faulty.fail(Step::Head, 1);
    runner.look(None).await.expect_err("no head");
    faulty.fail(Step::Read, 1);
    let seen = runner.look(None).await.expect("a look");
    runner.look(seen).await.expect_err("no read");
    store.blind(1);
    runner.look(None).await.expect_err("no checkpoint");
    let seen = runner.look(None).await.expect("a look");
    runner.look(seen).await.expect("a look");
    assert_eq!(store.position().await, Position::new(10));
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_is_worth_a_retry() {
    let (_, events, store, mut runner) = with_past(10).await;
    store.blind(2);
    runner.start().await.expect_err("no checkpoint");
    runner.offer(&delivered(&events)).await.expect_err("no checkpoint");
    runner.catch_up(Lock::Wait).await.expect("it goes on");
    assert_eq!(store.position().await, Position::new(10));
    assert_eq!(store.starts(), 3, "once it runs it is not started again");
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_keeps_moving_away_is_followed_and_left_to_whoever_moves_it() {
    let (log, _, store, mut runner) = with_past(5).await;
    runner.start().await.expect("it starts");
    // Each try finds that another replica was faster.
    store.next_runs([Trouble::Overtaken]);
    runner.catch_up(Lock::Wait).await.expect("it goes on");
    assert_eq!(store.rows().await, Checked::plain_fold(&log, Position::new(5)).await);
    put(&log, &past(4)[1..]).await;
    runner.catch_up(Lock::Wait).await.expect("it goes on");
    assert_eq!(store.rows().await, Checked::plain_fold(&log, Position::new(8)).await);
}
