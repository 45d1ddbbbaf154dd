//! Two writers on one log, with forced interleavings.

use callboard::{CommandContext, CommandError};
use futures::future::join_all;

use crate::bank::Note;
use crate::support::{FaultyLog, Running, Step, all, run, soon};
use crate::{deposit, open, transfer, with_accounts};

/// A log with accounts, and two writers on it; what stands still or fails on it does so to the first one.
async fn two_writers() -> (FaultyLog, Running, Running) {
    let (log, writer) = with_accounts().await;
    let other = run(&log.beside()).await;
    (log, writer, other)
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_never_based_on_what_was_before_another_writers_success() {
    let (log, writer, other) = two_writers().await;
    // It decides on a balance of 100 and is about to confirm its refusal, when 900 come in.
    let mut pause = log.pause(Step::Head);
    let answer = writer.send(transfer(1, 500), CommandContext::default());
    pause.arrived().await;
    other.done(deposit("a", 900)).await;
    pause.go();
    soon(answer.get()).await.expect("with 1,000 there it is accepted");
    assert_eq!(log.calls(Step::Lock), 1, "the second try took the lock first");
    writer.stop().await;
    other.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_confirmed_by_the_head_when_nothing_happened() {
    let (log, writer) = with_accounts().await;
    let before = (log.calls(Step::Head), log.calls(Step::Append));
    let refused = writer.execute(transfer(1, 500)).await;
    assert!(matches!(refused, Err(CommandError::Refused(_))), "{refused:?}");
    assert_eq!(
        (log.calls(Step::Head) - before.0, log.calls(Step::Append) - before.1),
        (1, 0)
    );
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_batch_is_answered_before_its_append_is() {
    let (log, writer) = with_accounts().await;
    let mut pause = log.pause(Step::Append);
    let accepted = writer.send(deposit("a", 1), CommandContext::default());
    let refused = writer.send(transfer(1, 500), CommandContext::default());
    let nothing = writer.send(deposit("a", 0), CommandContext::default());
    pause.arrived().await;
    let (accepted, refused, nothing) = (accepted.get(), refused.get(), nothing.get());
    futures::pin_mut!(accepted, refused, nothing);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(futures::poll!(accepted.as_mut()).is_pending());
    assert!(futures::poll!(refused.as_mut()).is_pending());
    assert!(futures::poll!(nothing.as_mut()).is_pending());
    pause.go();
    soon(accepted).await.expect("accepted");
    soon(refused).await.expect_err("refused");
    soon(nothing).await.expect("accepted");
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_head_moved_is_decided_again_as_a_whole() {
    let (log, writer, other) = two_writers().await;
    let mut pause = log.pause(Step::Append);
    let sent = [transfer(1, 60), transfer(2, 30), transfer(3, 10)]
        .map(|command| writer.send(command, CommandContext::default()));
    pause.arrived().await;
    // All three were decided on 100; this leaves 70.
    other.done(transfer(7, 30)).await;
    pause.go();
    let [first, second, third] = sent.map(|answer| soon(answer.get()));
    first.await.expect("60 of 70");
    match second.await {
        Err(CommandError::Refused(refusal)) => assert_eq!(refusal.detail, "10 available."),
        answer => panic!("{answer:?}"),
    }
    let third = third.await.expect("10 of 10").receipt;
    assert_eq!(third.events[0].position.get(), 10, "the receipt is the second try's");
    assert_eq!(all(&log.inner).await[9].id, third.events[0].id);
    assert_eq!(log.calls(Step::Lock), 1, "the second try locks first");
    assert_eq!(writer.audit("a").await, "balance 0 events 5 version 5 deposited 100");
    writer.stop().await;
    other.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_tap_hears_of_what_was_recorded_before_a_batch_that_lost_too() {
    let (log, writer, other) = two_writers().await;
    let mut first_try = log.pause(Step::Append);
    let answer = writer.send(deposit("b", 1), CommandContext::default());
    first_try.arrived().await;
    for amount in 1..=3 {
        other.done(deposit("a", amount)).await;
    }
    first_try.go();
    soon(answer.get()).await.expect("accepted");
    // In order and without a gap, so that a relay reads nothing of it from the log.
    let recorded = all(&log.inner).await;
    assert_eq!(*writer.heard.0.lock().expect("no panic"), recorded);
    writer.stop().await;
    other.stop().await;
}

#[tokio::test(start_paused = true)]
async fn from_the_second_try_on_nobody_can_win_the_race_again() {
    let (log, writer, other) = two_writers().await;
    let mut first_try = log.pause(Step::Append);
    let answer = writer.send(deposit("b", 1), CommandContext::default());
    first_try.arrived().await;
    other.done(deposit("a", 1)).await;
    let mut second_try = log.pause(Step::Append);
    first_try.go();
    second_try.arrived().await;
    // The lock is held now: whoever comes waits.
    let rival = other.send(deposit("a", 1), CommandContext::default());
    let rival = rival.get();
    futures::pin_mut!(rival);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(futures::poll!(rival.as_mut()).is_pending());
    second_try.go();
    let won = soon(answer.get()).await.expect("it can't lose now").receipt;
    let lost = soon(rival).await.expect("it comes behind").receipt;
    assert_eq!((won.position.get(), lost.position.get()), (5, 6));
    writer.stop().await;
    other.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_lost_takes_along_what_has_come_and_loads_it_before_the_lock() {
    let (log, writer, other) = two_writers().await;
    other.done(open("c", "Cleo")).await;
    let mut first_try = log.pause(Step::Append);
    let first = writer.send(deposit("a", 1), CommandContext::default());
    first_try.arrived().await;
    other.done(deposit("a", 1)).await;
    let come = ["c", "b"].map(|account| writer.send(deposit(account, 1), CommandContext::default()));
    let (appends, loads) = (log.calls(Step::Append), log.calls(Step::ReadStreams));
    let mut lock = log.pause(Step::Lock);
    first_try.go();
    lock.arrived().await;
    assert_eq!(log.calls(Step::ReadStreams) - loads, 1, "it didn't know c");
    lock.go();
    for (answer, position) in [first].into_iter().chain(come).zip(6..) {
        let receipt = soon(answer.get()).await.expect("accepted").receipt;
        assert_eq!(receipt.position.get(), position);
    }
    assert_eq!(log.calls(Step::Append) - appends, 1, "one append for all of them");
    assert_eq!(log.calls(Step::ReadStreams) - loads, 1, "nobody waits for a load");
    writer.stop().await;
    other.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_a_halved_batch_loses_stays_behind_all_of_it() {
    let (log, writer) = with_accounts().await;
    log.reject("unstorable");
    let beside = log.beside();
    let other = run(&beside).await;
    let mut whole = log.pause(Step::Append);
    let [one, bad, two] = [
        Note::once("a", "one"),
        Note::once("a", "unstorable"),
        Note::once("a", "two"),
    ]
    .map(|note| writer.send(note, CommandContext::default()));
    whole.arrived().await;
    let mut half = log.pause(Step::Append);
    whole.go();
    half.arrived().await;
    other.done(deposit("b", 1)).await;
    let late = writer.send(deposit("b", 1), CommandContext::default());
    half.go();
    let one = soon(one.get()).await.expect("accepted").receipt;
    soon(bad.get()).await.expect_err("the store refuses it");
    let two = soon(two.get()).await.expect("accepted").receipt;
    let late = soon(late.get()).await.expect("accepted").receipt;
    assert!(
        one.position < two.position && two.position < late.position,
        "{one:?} {two:?} {late:?}"
    );
    writer.stop().await;
    other.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_long_tail_is_followed_without_the_lock() {
    let (log, writer) = with_accounts().await;
    let mut pause = log.pause(Step::Append);
    let answer = writer.send(transfer(1, 1), CommandContext::default());
    pause.arrived().await;
    let add = async |count: u64| {
        let credit = serde_json::json!({"account": "b", "amount": 1});
        log.record_times(count, "account-b", "Credited", credit).await;
    };
    add(2_500).await;
    // It follows these without the lock, and while it does 1,000 more come: too many to read
    // while everybody waits.
    let mut lock = log.pause(Step::Lock);
    pause.go();
    lock.arrived().await;
    add(1_000).await;
    lock.go();
    let receipt = soon(answer.get()).await.expect("accepted").receipt;
    assert_eq!(receipt.events[0].position.get(), 3_504);
    assert_eq!(
        log.calls(Step::Lock),
        2,
        "it let go of the lock, followed, and locked again"
    );
    assert_eq!(
        writer.audit("b").await,
        "balance 3501 events 3502 version 3502 deposited 100"
    );
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_put_back_just_before_the_lock_is_not_followed_across_the_timelines() {
    let (log, writer, other) = two_writers().await;
    let mut first_try = log.pause(Step::Append);
    let answer = writer.send(transfer(1, 60), CommandContext::default());
    first_try.arrived().await;
    other.done(deposit("b", 1)).await;
    let mut lock = log.pause(Step::Lock);
    first_try.go();
    lock.arrived().await;
    // It has followed to 4. Now the log is another one, and longer.
    log.inner.put_back_to(callboard::Position::new(1));
    log.record_times(
        4,
        "account-a",
        "Credited",
        serde_json::json!({"account": "a", "amount": 1}),
    )
    .await;
    lock.go();
    match soon(answer.get()).await {
        Err(CommandError::Refused(refusal)) => assert_eq!(refusal.rule, "no-account", "there is no b any more"),
        answer => panic!("{answer:?}"),
    }
    assert_eq!(writer.audit("a").await, "balance 4 events 5 version 5 deposited 0");
    writer.stop().await;
    other.stop().await;
}

#[tokio::test(start_paused = true)]
async fn many_writers_never_spend_a_balance_twice() {
    let (log, writer) = with_accounts().await;
    let others = [run(&log.beside()).await, run(&log.beside()).await];
    let writers = [&writer, &others[0], &others[1]];
    let answers = join_all((0..300).map(|number| writers[number as usize % 3].execute(transfer(number, 1)))).await;
    let accepted = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(accepted, 100, "there was 100");
    for writer in writers {
        assert_eq!(
            writer.audit("a").await,
            "balance 0 events 102 version 102 deposited 100"
        );
    }
    let events = all(&log.inner).await;
    assert!(events.windows(2).all(|pair| pair[1].previous_id == pair[0].id));
    for writer in [writer].into_iter().chain(others) {
        writer.stop().await;
    }
}
