//! The queue in front of the writer, clients that go away, and the drain.

use std::time::Duration;

use callboard::writer::{Sequence, WriterConfig};
use callboard::{CommandContext, CommandError};
use tokio_util::sync::CancellationToken;

use crate::bank::router;
use crate::support::{Fault, FaultyLog, Step, all, keyed, run_with, soon, until};
use crate::{deposit, open_accounts, with_accounts};

#[tokio::test(start_paused = true)]
async fn a_full_queue_answers_overloaded_at_once() {
    let log = FaultyLog::new();
    let writer = run_with(
        &log,
        WriterConfig {
            queue_commands: 8,
            ..WriterConfig::default()
        },
    )
    .await;
    open_accounts(&writer).await;
    let mut pause = log.pause(Step::Append);
    let mut answers = vec![writer.send(deposit("a", 1), CommandContext::default())];
    pause.arrived().await;
    answers.extend((0..8).map(|_| writer.send(deposit("a", 1), CommandContext::default())));
    match writer.try_send(Box::new(deposit("a", 1)), CommandContext::default()) {
        Err(CommandError::Overloaded { retry_after, .. }) => assert!(retry_after >= Duration::from_secs(1)),
        other => panic!("{:?}", other.map(|_| "a place")),
    }
    // Whoever waits for a place gets one.
    let (commands, sequence) = (writer.commands.clone(), Sequence::default());
    let waiting = commands.send(
        Box::new(deposit("a", 1)),
        CommandContext::default(),
        tracing::Span::none(),
        &sequence,
    );
    let mut waiting = Box::pin(waiting);
    assert!(futures::poll!(waiting.as_mut()).is_pending());
    pause.go();
    answers.push(soon(&mut waiting).await.expect("a place"));
    for answer in answers {
        soon(answer.get()).await.expect("what was taken is answered");
    }
    drop(waiting);
    assert_eq!(
        writer.audit("a").await,
        "balance 110 events 12 version 12 deposited 110"
    );
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn everything_that_was_taken_is_answered_before_the_end() {
    let (log, writer) = with_accounts().await;
    let mut pause = log.pause(Step::Append);
    let first = writer.send(deposit("a", 1), CommandContext::default());
    pause.arrived().await;
    let queued: Vec<_> = (0..1_000)
        .map(|_| writer.send(deposit("b", 1), CommandContext::default()))
        .collect();
    writer.shutdown.cancel();
    pause.go();
    soon(first.get()).await.expect("it is settled");
    for answer in queued {
        soon(answer.get()).await.expect("it is settled");
    }
    let late = writer.try_send(Box::new(deposit("a", 1)), CommandContext::default());
    assert!(
        matches!(late, Err(CommandError::Overloaded { .. })),
        "who comes too late is told so"
    );
    let late = writer
        .commands
        .send(
            Box::new(deposit("a", 1)),
            CommandContext::default(),
            tracing::Span::none(),
            &Sequence::default(),
        )
        .await;
    assert!(matches!(late, Err(CommandError::Overloaded { .. })));
    assert_eq!(all(&log.inner).await.len(), 1_004);
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_also_under_load_that_never_ceases() {
    let log = FaultyLog::new();
    // Half of the clients always wait while the other half is in flight.
    let writer = run_with(
        &log,
        WriterConfig {
            batch_commands: 4,
            ..WriterConfig::default()
        },
    )
    .await;
    open_accounts(&writer).await;
    let clients = (0..8).map(|_| async {
        let mut done = 0;
        while done < 1_000 && writer.execute(deposit("a", 1)).await.is_ok() {
            done += 1;
            if done == 10 {
                writer.shutdown.cancel();
            }
        }
        done
    });
    let done = futures::future::join_all(clients).await;
    assert!(
        done.iter().all(|done| *done < 20),
        "who comes after the shutdown is told so: {done:?}"
    );
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_an_unknown_outcome_no_longer_than_its_clients_do() {
    let (log, writer) = with_accounts().await;
    log.all_appends(Some(Fault::Lost));
    let answer = writer.send(deposit("a", 1), CommandContext::default());
    until(|| log.tried().len() >= 4).await;
    writer.shutdown.cancel();
    let answer = soon(answer.get()).await;
    assert!(matches!(answer, Err(CommandError::OutcomeUnknown)), "{answer:?}");
    tokio::time::timeout(Duration::from_secs(5), writer.task)
        .await
        .expect("it ends")
        .expect("without a panic");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_is_not_held_up_by_an_append_that_never_answers() {
    let (log, writer) = with_accounts().await;
    let mut pause = log.pause(Step::Append);
    let answer = writer.send(deposit("a", 1), CommandContext::default());
    pause.arrived().await;
    writer.shutdown.cancel();
    let answer = soon(answer.get()).await;
    assert!(matches!(answer, Err(CommandError::OutcomeUnknown)), "{answer:?}");
    tokio::time::timeout(Duration::from_secs(5), writer.task)
        .await
        .expect("it ends")
        .expect("without a panic");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_while_the_log_is_away_says_that_nothing_was_recorded() {
    let (log, writer) = with_accounts().await;
    log.fail(Step::Head, usize::MAX);
    let refusal = writer.send(deposit("nobody", 1), CommandContext::default());
    writer.shutdown.cancel();
    let answer = soon(refusal.get()).await;
    assert!(matches!(answer, Err(CommandError::Unavailable)), "{answer:?}");
    soon(writer.task).await.expect("it ends");
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_is_shut_down_before_it_could_start_answers_what_waits() {
    let log = FaultyLog::new();
    log.fail(Step::Read, usize::MAX);
    let (writer, commands) = callboard::writer::Writer::new(log.clone(), &router(), (), WriterConfig::default());
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(writer.run(shutdown.clone()));
    let answer = commands.try_send(
        Box::new(deposit("a", 1)),
        CommandContext::default(),
        tracing::Span::none(),
    );
    shutdown.cancel();
    let answer = soon(answer.expect("a place").get()).await;
    assert!(
        matches!(answer, Err(CommandError::Unavailable)),
        "it is known that nothing was done: {answer:?}"
    );
    soon(task).await.expect("it ends");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_changes_nothing() {
    let (log, writer) = with_accounts().await;
    let mut pause = log.pause(Step::Append);
    let gone = writer.send(deposit("a", 1), keyed("k"));
    pause.arrived().await;
    drop(gone);
    drop(writer.send(deposit("a", 1), keyed("l")));
    // A future that is dropped before it was ever polled never began.
    drop(writer.commands.execute(deposit("a", 1), keyed("m")));
    pause.go();
    writer.done(deposit("b", 1)).await;
    for (key, done) in [("k", true), ("l", true), ("m", false)] {
        let again = writer.with(deposit("a", 1), keyed(key)).await.expect("accepted");
        assert_eq!(again.replayed, done, "{key}: it completes or never began");
    }
    assert_eq!(writer.audit("a").await, "balance 103 events 5 version 5 deposited 104");
    assert_eq!(all(&log.inner).await.len(), 7);
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_writer_ends_when_nobody_can_send_any_more() {
    let (_, writer) = with_accounts().await;
    let crate::support::Running { commands, task, .. } = writer;
    let last = commands.try_send(
        Box::new(deposit("a", 1)),
        CommandContext::default(),
        tracing::Span::none(),
    );
    drop(commands);
    soon(last.expect("a place").get()).await.expect("it is settled");
    soon(task).await.expect("it ends");
}
