//! Following what others write, and noticing another timeline.

use callboard::{CommandError, Position};

use crate::support::{FaultyLog, Step, all, keyed, run, types, until};
use crate::{deposit, open, open_accounts, transfer, with_accounts};

#[tokio::test(start_paused = true)]
async fn a_live_model_follows_other_writers() {
    let (log, writer) = with_accounts().await;
    let other = run(&log.beside()).await;
    other.done(open("c", "Ann")).await;
    other.done(open("d", "Ann")).await;
    match writer.execute(open("e", "Ann")).await {
        Err(CommandError::Refused(refusal)) => assert_eq!(refusal.rule, "too-many-accounts"),
        answer => panic!("{answer:?}"),
    }
    assert_eq!(writer.audit("c").await, other.audit("c").await);
    writer.stop().await;
    other.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_writer_follows_the_log_by_itself() {
    let (log, writer) = with_accounts().await;
    let other = run(&log.beside()).await;
    log.record_times(
        2_500,
        "account-b",
        "Credited",
        serde_json::json!({"account": "b", "amount": 1}),
    )
    .await;
    let reads = log.calls(Step::Read);
    until(|| log.calls(Step::Read) >= reads + 4).await;
    let before = (log.calls(Step::Append), log.calls(Step::Lock));
    writer.done(transfer(1, 1)).await;
    assert_eq!(
        (log.calls(Step::Append), log.calls(Step::Lock)),
        (before.0 + 1, before.1),
        "it was at the head"
    );
    assert_eq!(
        writer.audit("b").await,
        "balance 2501 events 2502 version 2502 deposited 100"
    );
    writer.stop().await;
    other.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_log_that_was_put_back_drops_the_cache() {
    let (log, writer) = with_accounts().await;
    writer.done(transfer(1, 80)).await;
    assert_eq!(writer.audit("a").await, "balance 20 events 3 version 3 deposited 100");
    log.inner.put_back_to(Position::new(3));
    // Decided on what is there, not on what was cached.
    writer.done(transfer(1, 90)).await;
    assert_eq!(writer.audit("a").await, "balance 10 events 3 version 3 deposited 100");
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_after_a_put_back_is_no_answer_of_the_lost_timeline() {
    let (log, writer) = with_accounts().await;
    writer.done(transfer(1, 80)).await;
    log.inner.put_back_to(Position::new(3));
    // On the lost timeline this would be refused.
    writer.done(transfer(2, 90)).await;
    log.inner.put_back_to(Position::START);
    let answer = writer.execute(deposit("a", 1)).await;
    assert!(
        matches!(answer, Err(CommandError::Refused(_))),
        "there is no account now: {answer:?}"
    );
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_not_confirmed_by_a_head_of_another_timeline() {
    let (log, writer) = with_accounts().await;
    writer.done(transfer(1, 80)).await;
    // The same position again, with other events.
    log.inner.put_back_to(Position::new(3));
    log.record_times(
        3,
        "account-a",
        "Credited",
        serde_json::json!({"account": "a", "amount": 1}),
    )
    .await;
    writer.done(transfer(2, 90)).await;
    assert_eq!(writer.audit("a").await, "balance 13 events 6 version 6 deposited 100");
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_timeline_that_has_grown_past_the_cache_is_noticed_by_the_event_ids() {
    let (log, writer) = with_accounts().await;
    writer.done(deposit("a", 1)).await;
    let other = run(&log.beside()).await;
    log.inner.put_back_to(Position::new(1));
    // The same positions again, with other events.
    other.done(open("b", "Bea")).await;
    for amount in [1, 2, 3] {
        other.done(deposit("a", amount)).await;
    }
    assert_eq!(writer.audit("a").await, "balance 6 events 4 version 4 deposited 6");
    assert_eq!(
        types(&log.inner).await,
        ["AccountOpened", "AccountOpened", "Deposited", "Deposited", "Deposited"]
    );
    writer.stop().await;
    other.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_key_of_a_lost_timeline_is_free_again() {
    let (log, writer) = with_accounts().await;
    let first = writer.with(deposit("a", 1), keyed("k")).await.expect("accepted");
    log.inner.put_back_to(Position::new(3));
    let again = writer.with(deposit("a", 1), keyed("k")).await.expect("accepted");
    assert!(!again.replayed);
    assert_ne!(first.receipt.events[0].id, again.receipt.events[0].id);
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_writer_without_live_models_begins_at_the_head_without_reading_the_log() {
    let log = FaultyLog::new();
    let first = run(&log).await;
    open_accounts(&first).await;
    first.stop().await;
    let beside = log.beside();
    let router = callboard::Router::<crate::bank::Bank>::new();
    let (writer, commands) =
        callboard::writer::Writer::new(beside.clone(), &router, (), callboard::writer::WriterConfig::default());
    let shutdown = tokio_util::sync::CancellationToken::new();
    let task = tokio::spawn(writer.run(shutdown.clone()));
    let executed = commands
        .execute(deposit("a", 1), callboard::CommandContext::default())
        .await;
    assert_eq!(executed.expect("accepted").receipt.position, Position::new(4));
    assert_eq!(
        beside.calls(Step::Read),
        0,
        "nothing but the streams of its commands is read"
    );
    let unregistered = commands
        .execute(open("c", "Cid"), callboard::CommandContext::default())
        .await;
    assert!(matches!(unregistered, Err(CommandError::Fault(_))), "{unregistered:?}");
    shutdown.cancel();
    task.await.expect("it ends");
    assert_eq!(all(&log.inner).await.len(), 4);
}
