//! Turns with another writer of the log.

use std::time::Duration;

use callboard::{CommandContext, CommandError};

use crate::bank::Note;
use crate::support::{FaultyLog, Running, Step, run, soon};
use crate::{deposit, transfer, with_accounts};

/// A log with accounts and two writers, the first of which has met the other one: a batch of it was outrun. Six events.
async fn that_share_a_log() -> (FaultyLog, Running, Running) {
    let (log, writer) = with_accounts().await;
    let other = run(&log.beside()).await;
    let mut pause = log.pause(Step::Append);
    let answer = writer.send(deposit("b", 1), CommandContext::default());
    pause.arrived().await;
    other.done(Note::once("a", "outrun")).await;
    pause.go();
    soon(answer.get()).await.expect("accepted");
    assert_eq!((log.calls(Step::Turn), log.calls(Step::Lock)), (0, 1));
    (log, writer, other)
}

#[tokio::test(start_paused = true)]
async fn who_has_met_another_writer_decides_on_what_that_has_just_recorded() {
    let (log, writer, other) = that_share_a_log().await;
    let appends = log.calls(Step::Append);
    let mut pause = log.pause(Step::Turn);
    let answer = writer.send(transfer(1, 60), CommandContext::default());
    pause.arrived().await;
    // What comes while it waits for its turn goes along.
    let along = writer.send(deposit("b", 1), CommandContext::default());
    other.done(transfer(2, 50)).await;
    pause.go();
    match soon(answer.get()).await {
        Err(CommandError::Refused(refusal)) => assert_eq!(refusal.detail, "50 available."),
        answer => panic!("{answer:?}"),
    }
    soon(along.get()).await.expect("accepted");
    assert_eq!(
        (log.calls(Step::Append) - appends, log.calls(Step::Lock)),
        (1, 1),
        "one append, and none of it in vain"
    );
    writer.stop().await;
    other.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_meets_nobody_any_more_takes_no_turns() {
    let (log, writer, other) = that_share_a_log().await;
    for _ in 0..10 {
        writer.done(deposit("b", 1)).await;
    }
    other.done(deposit("a", 1)).await;
    for _ in 0..20 {
        writer.done(deposit("b", 1)).await;
    }
    assert_eq!(log.calls(Step::Turn), 27, "16 behind the last one that met somebody");
    assert_eq!(log.calls(Step::Lock), 1, "nothing was decided in vain");
    writer.stop().await;
    other.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_turn_a_writer_goes_on_as_if_there_were_none() {
    let (log, writer, other) = that_share_a_log().await;
    log.fail(Step::Turn, 1);
    writer.done(deposit("b", 1)).await;
    writer.done(deposit("b", 1)).await;
    assert_eq!(log.calls(Step::Turn), 1, "it doesn't ask again so soon");
    tokio::time::sleep(Duration::from_secs(6)).await;
    writer.done(deposit("b", 1)).await;
    assert_eq!(log.calls(Step::Turn), 2);
    writer.stop().await;
    other.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_never_comes_holds_nobody_up() {
    let (log, writer, other) = that_share_a_log().await;
    let kept = log.pause(Step::Turn);
    let answer = writer.send(deposit("b", 1), CommandContext::default());
    tokio::time::timeout(Duration::from_secs(1), answer.get())
        .await
        .expect("clients wait two seconds for a log")
        .expect("accepted");
    drop(kept);
    writer.stop().await;
    other.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_in_a_turn_is_confirmed_by_the_head() {
    let (log, writer, other) = that_share_a_log().await;
    // It has its turn, decides on a balance of 100, and is about to confirm its refusal, when somebody who takes no
    // turns brings 900.
    let mut pause = log.pause(Step::Append);
    let answer = writer.send(transfer(1, 500), CommandContext::default());
    pause.arrived().await;
    assert_eq!(log.calls(Step::Turn), 1);
    other.done(deposit("a", 900)).await;
    pause.go();
    soon(answer.get()).await.expect("with 1,000 there it is accepted");
    assert_eq!(
        writer.audit("a").await,
        "balance 500 events 5 version 5 deposited 1001",
        "and what is refused without anybody's doing is confirmed, too"
    );
    assert_eq!(log.calls(Step::Head), 0, "by an append of nothing, which ends the turn");
    writer.stop().await;
    other.stop().await;
}
