//! Unknown outcomes, and a log that is away.

use std::time::Duration;

use callboard::writer::WriterConfig;
use callboard::{CommandContext, CommandError};
use tokio::time::Instant;

use crate::support::{Fault, FaultyLog, Step, all, keyed, run, run_with, soon, until};
use crate::{TOLD_WITHIN, deposit, open_accounts, transfer, with_accounts};

#[tokio::test(start_paused = true)]
async fn a_lost_answer_of_a_recorded_append_is_found_out_by_repeating_it() {
    let (log, writer) = with_accounts().await;
    log.next_appends([Fault::AnswerLost, Fault::AnswerLost]);
    let receipt = writer.done(transfer(1, 60)).await;
    let events = all(&log.inner).await;
    assert_eq!(events.len(), 6, "recorded once");
    assert_eq!(
        receipt.events[2].id, events[5].id,
        "and that is what the client was told"
    );
    assert_eq!(
        *writer.heard.0.lock().expect("no panic"),
        events,
        "the tap hears it, once"
    );
    assert_eq!(writer.audit("a").await, "balance 40 events 3 version 3 deposited 100");
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_append_that_was_lost_is_repeated_until_it_is_recorded() {
    let (log, writer) = with_accounts().await;
    log.next_appends([Fault::Lost, Fault::Lost, Fault::Away, Fault::Lost]);
    writer.done(transfer(1, 60)).await;
    assert_eq!(all(&log.inner).await.len(), 6);
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_append_that_lands_late_is_recorded_once() {
    let (log, writer) = with_accounts().await;
    log.next_appends([Fault::Late, Fault::Late]);
    let mut third = { log.pause(Step::Head) };
    let answer = writer.send(transfer(1, 60), keyed("k"));
    until(|| log.tried().len() >= 5).await;
    log.land().await;
    let receipt = soon(answer.get()).await.expect("accepted").receipt;
    let events = all(&log.inner).await;
    assert_eq!((events.len(), receipt.events[0].id), (6, events[3].id));
    // The pause was never met: looking at the head would not have been enough.
    assert!(futures::poll!(std::pin::pin!(third.arrived())).is_pending());
    third.go();
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_after_which_others_wrote_is_still_answered_truly() {
    let (log, writer) = with_accounts().await;
    let beside = log.beside();
    let other = run(&beside).await;
    for (fault, recorded) in [(Fault::AnswerLost, true), (Fault::Lost, false)] {
        log.next_appends([fault]);
        let mut repeat = log.pause(Step::Append);
        // The first try meets the fault behind the pause, so let it through first.
        let answer = writer.send(deposit("a", 1), CommandContext::default());
        repeat.arrived().await;
        let mut second = log.pause(Step::Append);
        repeat.go();
        second.arrived().await;
        other.done(deposit("b", 1)).await;
        second.go();
        let receipt = soon(answer.get()).await.expect("accepted").receipt;
        let events = all(&log.inner).await;
        let place = events.len() - if recorded { 2 } else { 1 };
        assert_eq!(receipt.events[0].id, events[place].id, "{fault:?}");
    }
    assert_eq!(writer.audit("a").await, "balance 102 events 4 version 4 deposited 104");
    writer.stop().await;
    other.stop().await;
}

#[tokio::test(start_paused = true)]
async fn past_the_deadline_the_client_hears_that_the_outcome_is_unknown_and_the_writer_still_settles() {
    let (log, writer) = with_accounts().await;
    log.all_appends(Some(Fault::Lost));
    let sent = Instant::now();
    let answer = writer.with(deposit("a", 1), keyed("k")).await;
    assert!(matches!(answer, Err(CommandError::OutcomeUnknown)), "{answer:?}");
    let waited = sent.elapsed();
    assert!(waited >= Duration::from_secs(2) && waited < TOLD_WITHIN, "{waited:?}");
    // No other batch is taken meanwhile: whoever comes is told at once.
    let tried = log.tried().len();
    for _ in 0..3 {
        let meanwhile = writer.execute(deposit("b", 1)).await;
        assert!(matches!(meanwhile, Err(CommandError::Unavailable)), "{meanwhile:?}");
    }
    until(|| log.tried().len() >= tried + 3).await;
    assert!(
        log.tried().iter().skip(3).all(|append| *append == (1, 1)),
        "the very same append: {:?}",
        log.tried()
    );
    log.all_appends(None);
    until(|| log.length() == 4).await;
    let repeated = writer.with(deposit("a", 1), keyed("k")).await.expect("it was done");
    assert!(repeated.replayed, "the repeat gets the one true answer");
    assert_eq!(all(&log.inner).await.len(), 4);
    writer.done(deposit("b", 1)).await;
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn once_unknown_an_outcome_stays_unknown_until_it_is_found_out() {
    let (log, writer) = with_accounts().await;
    log.next_appends([Fault::AnswerLost]);
    log.all_appends(Some(Fault::Away));
    let answer = writer.with(deposit("a", 1), keyed("k")).await;
    assert!(
        matches!(answer, Err(CommandError::OutcomeUnknown)),
        "it may have been recorded, and was: {answer:?}"
    );
    assert_eq!(log.length(), 4);
    log.all_appends(None);
    // While it is being found out newcomers are sent away.
    let again = soon(async {
        loop {
            match writer.with(deposit("a", 1), keyed("k")).await {
                Err(CommandError::Unavailable) => tokio::time::sleep(Duration::from_millis(100)).await,
                answer => break answer,
            }
        }
    });
    assert!(again.await.expect("it was done").replayed);
    assert_eq!(log.length(), 4);
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_log_that_never_answers_keeps_nobody_waiting_past_the_deadline() {
    let (log, writer) = with_accounts().await;
    let mut pause = log.pause(Step::Append);
    let sent = Instant::now();
    let stuck = writer.send(deposit("a", 1), keyed("k"));
    pause.arrived().await;
    let behind = writer.send(deposit("b", 1), CommandContext::default());
    let answer = soon(stuck.get()).await;
    assert!(matches!(answer, Err(CommandError::OutcomeUnknown)), "{answer:?}");
    assert!(sent.elapsed() < TOLD_WITHIN, "{:?}", sent.elapsed());
    let answer = soon(behind.get()).await;
    assert!(
        matches!(answer, Err(CommandError::Unavailable)),
        "it never began: {answer:?}"
    );
    pause.go();
    let repeated = writer.with(deposit("a", 1), keyed("k")).await.expect("it was done");
    assert!(repeated.replayed);
    assert_eq!(all(&log.inner).await.len(), 4);
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_away_is_tried_until_the_deadline_and_then_nothing_was_recorded() {
    let (log, writer) = with_accounts().await;
    log.all_appends(Some(Fault::Away));
    let sent = Instant::now();
    let answer = writer.execute(deposit("a", 1)).await;
    assert!(matches!(answer, Err(CommandError::Unavailable)), "{answer:?}");
    assert!(sent.elapsed() >= Duration::from_secs(2), "{:?}", sent.elapsed());
    log.all_appends(None);
    writer.done(deposit("a", 1)).await;
    assert_eq!(writer.audit("a").await, "balance 101 events 3 version 3 deposited 101");
    assert_eq!(all(&log.inner).await.len(), 4);
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_behind_a_batch_that_cannot_be_settled_waits_no_longer_than_it() {
    let (log, writer) = with_accounts().await;
    log.all_appends(Some(Fault::Away));
    let mut pause = log.pause(Step::Append);
    let sent = Instant::now();
    let first = writer.send(deposit("a", 1), CommandContext::default());
    pause.arrived().await;
    let second = writer.send(deposit("b", 1), CommandContext::default());
    pause.go();
    for answer in [first, second] {
        let answer = soon(answer.get()).await;
        assert!(matches!(answer, Err(CommandError::Unavailable)), "{answer:?}");
    }
    assert!(sent.elapsed() < Duration::from_secs(8), "{:?}", sent.elapsed());
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_log_that_comes_back_in_time_is_not_noticed() {
    let (log, writer) = with_accounts().await;
    log.next_appends([Fault::Away, Fault::Away, Fault::Away]);
    writer.done(deposit("a", 1)).await;
    log.fail(Step::ReadStreams, 3);
    writer.done(crate::open("c", "Cid")).await;
    log.fail(Step::Head, 3);
    let refused = writer.execute(transfer(1, 999)).await;
    assert!(matches!(refused, Err(CommandError::Refused(_))), "{refused:?}");
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_log_that_cannot_be_read_answers_unavailable() {
    let (log, writer) = with_accounts().await;
    for step in [Step::Head, Step::ReadStreams] {
        log.fail(step, usize::MAX);
        let command = transfer(if step == Step::Head { 1 } else { 2 }, 999);
        let answer = writer.execute(command).await;
        assert!(matches!(answer, Err(CommandError::Unavailable)), "{step:?}: {answer:?}");
        log.fail(step, 0);
    }
    let beside = log.beside();
    run(&beside).await.done(deposit("a", 1)).await;
    log.fail(Step::Lock, usize::MAX);
    let answer = writer.execute(deposit("a", 1)).await;
    assert!(matches!(answer, Err(CommandError::Unavailable)), "{answer:?}");
    log.fail(Step::Lock, 0);
    writer.done(deposit("a", 1)).await;
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_repeat_of_the_locked_append_is_the_same_append() {
    let (log, writer) = with_accounts().await;
    let beside = log.beside();
    let other = run(&beside).await;
    other.done(deposit("b", 1)).await;
    log.next_appends([Fault::Fine, Fault::AnswerLost, Fault::Lost]);
    let receipt = writer.done(deposit("a", 1)).await;
    assert_eq!(log.calls(Step::Lock), 1);
    let events = all(&log.inner).await;
    assert_eq!((events.len(), events[4].id), (5, receipt.events[0].id));
    writer.stop().await;
    other.stop().await;
}

#[tokio::test(start_paused = true)]
async fn commands_wait_no_longer_for_a_writer_that_cannot_start() {
    let log = FaultyLog::new();
    run(&log).await.stop().await;
    log.fail(Step::Read, usize::MAX);
    let config = WriterConfig {
        answer_within: Duration::from_secs(2),
        ..WriterConfig::default()
    };
    let (writer, commands) = callboard::writer::Writer::new(log.clone(), &crate::bank::router(), (), config.clone());
    let task = tokio::spawn(writer.run(tokio_util::sync::CancellationToken::new()));
    let sent = Instant::now();
    let answer = soon(commands.execute(deposit("a", 1), CommandContext::default())).await;
    assert!(matches!(answer, Err(CommandError::Unavailable)), "{answer:?}");
    assert!(sent.elapsed() < TOLD_WITHIN, "{:?}", sent.elapsed());
    task.abort();
    log.fail(Step::Read, 0);
    let writer = run_with(&log, config).await;
    open_accounts(&writer).await;
    writer.stop().await;
}
