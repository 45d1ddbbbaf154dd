//! Batching, the overlay inside a batch, and what the cache holds afterwards.

use callboard::log::LogReader;
use callboard::memory::MemoryLog;
use callboard::writer::WriterConfig;
use callboard::{CommandContext, CommandError, Position};
use futures::future::join_all;

use crate::bank::{Note, account};
use crate::support::{FaultyLog, Step, all, run, run_with, soon};
use crate::{deposit, open, open_accounts, transfer, with_accounts};

#[tokio::test(start_paused = true)]
async fn many_commands_at_once_share_few_appends() {
    let (log, writer) = with_accounts().await;
    let before = log.calls(Step::Append);
    let answers = join_all((0..500).map(|_| writer.execute(deposit("a", 1)))).await;
    assert!(answers.iter().all(Result::is_ok));
    let appends = log.calls(Step::Append) - before;
    assert!(appends <= 2, "500 commands took {appends} appends");
    assert_eq!(
        writer.audit("a").await,
        "balance 600 events 502 version 502 deposited 600"
    );
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_batch_gathers_while_one_is_in_flight() {
    let (log, writer) = with_accounts().await;
    let mut pause = log.pause(Step::Append);
    let first = writer.send(deposit("a", 1), CommandContext::default());
    pause.arrived().await;
    let before = log.calls(Step::Append);
    let others: Vec<_> = (0..100)
        .map(|_| writer.send(deposit("b", 1), CommandContext::default()))
        .collect();
    pause.go();
    soon(first.get()).await.expect("it is accepted");
    for answer in others {
        soon(answer.get()).await.expect("it is accepted");
    }
    assert_eq!(
        log.calls(Step::Append) - before,
        1,
        "all that waited went with one append"
    );
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_has_gathered_goes_before_anybody_hears_of_the_last_batch() {
    let (log, writer) = with_accounts().await;
    let mut pause = log.pause(Step::Append);
    let first = writer.send(deposit("a", 1), CommandContext::default());
    pause.arrived().await;
    let gathered = writer.send(deposit("b", 1), CommandContext::default());
    let before = log.calls(Step::Append);
    pause.go();
    soon(first.get()).await.expect("it is accepted");
    assert_eq!(log.calls(Step::Append) - before, 1, "the log has stood idle");
    soon(gathered.get()).await.expect("it is accepted");
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_at_most_as_many_commands_as_configured() {
    let log = FaultyLog::new();
    let writer = run_with(
        &log,
        WriterConfig {
            batch_commands: 10,
            ..WriterConfig::default()
        },
    )
    .await;
    open_accounts(&writer).await;
    let before = log.tried().len();
    join_all((0..100).map(|_| writer.execute(deposit("a", 1)))).await;
    let tried = log.tried().split_off(before);
    assert!(tried.iter().all(|(events, _)| *events <= 10), "{tried:?}");
    assert!(tried.len() <= 11, "{tried:?}");
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_sees_what_the_ones_before_it_in_the_batch_did() {
    let (log, writer) = with_accounts().await;
    let before = log.calls(Step::Append);
    let answers: Vec<_> = [transfer(1, 60), transfer(2, 60), transfer(1, 1), transfer(3, 40)]
        .map(|command| writer.send(command, CommandContext::default()))
        .into_iter()
        .collect();
    let mut results = Vec::new();
    for answer in answers {
        results.push(soon(answer.get()).await);
    }
    assert_eq!(log.calls(Step::Append) - before, 1, "they were one batch");
    let refused = |index: usize| match &results[index] {
        Err(CommandError::Refused(refusal)) => (refusal.rule, refusal.detail.as_str()),
        other => panic!("{other:?}"),
    };
    assert!(results[0].is_ok() && results[3].is_ok());
    assert_eq!(refused(1), ("insufficient-funds", "40 available."));
    assert_eq!(refused(2).0, "transfer-made");
    let last = &results[3].as_ref().expect("accepted").receipt;
    assert_eq!((last.position, last.version.get()), (Position::new(9), 1));
    assert_eq!(writer.audit("a").await, "balance 0 events 4 version 4 deposited 100");
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_rule_over_a_live_model_sees_the_batch_it_is_in() {
    let (_, writer) = with_accounts().await;
    let names = ["c", "d", "e", "f"];
    let answers = join_all(names.map(|name| writer.execute(open(name, "Ann")))).await;
    let accepted: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(
        accepted,
        [true, true, false, false],
        "Ann has one account and may have three"
    );
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn receipts_name_the_very_events_that_are_in_the_log_and_the_tap_hears_them() {
    let (log, writer) = with_accounts().await;
    let executed = join_all((1..=20).map(|number| writer.execute(transfer(number, 2)))).await;
    let events = all(&log.inner).await;
    for executed in executed {
        let receipt = executed.expect("accepted").receipt;
        assert_eq!(receipt.events.len(), 3);
        assert_eq!(receipt.position, receipt.events[2].position);
        for event in &receipt.events {
            let held = &events[event.position.get() as usize - 1];
            assert_eq!(
                (held.id, &held.stream, held.version),
                (event.id, &event.stream, event.version)
            );
            assert_eq!(held.event.event_type.as_ref(), event.event_type);
        }
    }
    assert_eq!(
        *writer.heard.0.lock().expect("no panic"),
        events,
        "the very same events, recorded_at and all"
    );
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_small_cache_gives_the_same_answers_as_a_large_one() {
    let mut audits = Vec::new();
    for cached_streams in [0, 1, 20_000] {
        let log = FaultyLog::new();
        let writer = run_with(
            &log,
            WriterConfig {
                cached_streams,
                ..WriterConfig::default()
            },
        )
        .await;
        open_accounts(&writer).await;
        let mut seen = Vec::new();
        for number in 1..=20 {
            let _ = writer.execute(transfer(number, i64::from(number))).await;
            writer.execute(deposit("b", 3)).await.expect("accepted");
            seen.push((writer.audit("a").await, writer.audit("b").await));
        }
        audits.push((seen, all(&log.inner).await.len()));
        writer.stop().await;
    }
    assert_eq!(audits[0], audits[2]);
    assert_eq!(audits[1], audits[2]);
}

#[tokio::test(start_paused = true)]
async fn what_is_cached_is_not_read_again() {
    let (log, writer) = with_accounts().await;
    let before = (
        log.calls(Step::ReadStreams),
        log.calls(Step::Head),
        log.calls(Step::Read),
    );
    for _ in 0..10 {
        writer.done(deposit("a", 1)).await;
    }
    let after = (
        log.calls(Step::ReadStreams),
        log.calls(Step::Head),
        log.calls(Step::Read),
    );
    assert_eq!(after, before, "one append for each batch and nothing else");
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn long_streams_are_loaded_page_by_page() {
    let (log, writer) = with_accounts().await;
    for _ in 0..3 {
        writer
            .done(Note {
                account: "a".into(),
                text: "x".into(),
                copies: 900,
            })
            .await;
        writer
            .done(Note {
                account: "b".into(),
                text: "x".into(),
                copies: 500,
            })
            .await;
    }
    writer.done(deposit("a", 1)).await;
    writer.stop().await;
    let fresh = run(&log).await;
    fresh.done(transfer(1, 101)).await;
    assert_eq!(
        fresh.audit("a").await,
        "balance 0 events 2704 version 2704 deposited 101"
    );
    assert_eq!(
        fresh.audit("b").await,
        "balance 101 events 1502 version 1502 deposited 101"
    );
    fresh.stop().await;
}

/// The sum of a text that makes the event's JSON exactly so many bytes.
fn text_for(bytes: usize) -> String {
    let frame = serde_json::json!({"account": "a", "text": ""}).to_string().len();
    "x".repeat(bytes - frame)
}

#[tokio::test(start_paused = true)]
async fn an_event_may_have_256_kib_and_no_more() {
    let (log, writer) = with_accounts().await;
    writer.done(Note::once("a", text_for(256 * 1024))).await;
    let refused = writer.execute(Note::once("a", text_for(256 * 1024 + 1))).await;
    assert!(matches!(refused, Err(CommandError::Unrecordable(_))), "{refused:?}");
    assert_eq!(log.inner.head().await.expect("a head").position, Position::new(4));
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_may_have_10_000_events_and_8_mib_and_no_more() {
    let (_, writer) = with_accounts().await;
    let note = |copies: usize, bytes: usize| Note {
        account: "a".into(),
        text: text_for(bytes),
        copies,
    };
    writer.done(note(10_000, 100)).await;
    writer.done(note(32, 256 * 1024)).await;
    for (copies, bytes) in [(10_001, 100), (33, 256 * 1024)] {
        let refused = writer.execute(note(copies, bytes)).await;
        assert!(matches!(refused, Err(CommandError::Unrecordable(_))), "{refused:?}");
    }
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_beyond_the_bounds_of_an_append_is_split() {
    let (log, writer) = with_accounts().await;
    let before = log.tried().len();
    let head = log.inner.head().await.expect("a head");
    // A small one and then one that has no room beside it; no append holds a part of a command.
    let bytes = |copies: usize| Note {
        account: "a".into(),
        text: text_for(256 * 1024),
        copies,
    };
    let events = |copies: usize| Note {
        account: "b".into(),
        text: "x".into(),
        copies,
    };
    let notes = [
        bytes(15),
        bytes(30),
        bytes(15),
        bytes(30),
        events(4_900),
        events(9_000),
        events(4_900),
        events(9_000),
    ];
    let answers = join_all(notes.map(|note| writer.execute(note))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let appends = log.tried().split_off(before);
    assert!(appends.iter().all(|(events, _)| *events <= 10_000), "{appends:?}");
    let added = all(&log.inner).await.split_off(head.position.get() as usize);
    assert_eq!(added.len(), 2 * (15 + 30 + 4_900 + 9_000));
    let most = largest_append(&log.inner, &log.tried()[..]).await;
    assert!(most <= 8 * 1024 * 1024, "an append of {most} bytes");
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_append_that_is_half_full_takes_no_more() {
    let (log, writer) = with_accounts().await;
    let before = log.tried().len();
    let note = Note {
        account: "a".into(),
        text: "x".into(),
        copies: 500,
    };
    join_all((0..20).map(|_| writer.execute(note.clone()))).await;
    assert_eq!(
        log.tried().split_off(before),
        [(5_000, 0), (5_000, 0)],
        "a larger one would only keep clients waiting"
    );
    writer.stop().await;
}

/// The bytes of the largest append, all of which went through.
async fn largest_append(log: &MemoryLog, tried: &[(usize, usize)]) -> usize {
    let events = all(log).await;
    let mut rest = &events[..];
    let mut most = 0;
    for (count, _) in tried {
        let (append, left) = rest.split_at(*count);
        most = most.max(append.iter().map(|event| event.event.data.get().len()).sum());
        rest = left;
    }
    most
}

#[tokio::test(start_paused = true)]
async fn texts_of_the_context_that_are_too_long_are_refused() {
    let (_, writer) = with_accounts().await;
    let long = |length: usize| Some("é".repeat(length).into());
    let context = |length| CommandContext {
        correlation_id: long(length),
        ..CommandContext::default()
    };
    writer
        .with(deposit("a", 1), context(255))
        .await
        .expect("255 characters fit");
    let refused = writer.with(deposit("a", 1), context(256)).await;
    assert!(matches!(refused, Err(CommandError::Unrecordable(_))), "{refused:?}");
    let control = CommandContext {
        traceparent: Some("a\u{0}b".into()),
        ..CommandContext::default()
    };
    let refused = writer.with(deposit("a", 1), control).await;
    assert!(matches!(refused, Err(CommandError::Unrecordable(_))), "{refused:?}");
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn events_carry_where_they_come_from() {
    let (log, writer) = with_accounts().await;
    let context = CommandContext {
        correlation_id: Some("correlation".into()),
        causation_id: Some(uuid::Uuid::now_v7()),
        traceparent: Some("trace".into()),
        actor: callboard::Actor {
            id: Some("ann".into()),
            ..callboard::Actor::default()
        },
        ..CommandContext::default()
    };
    writer.with(deposit("a", 1), context.clone()).await.expect("accepted");
    let last = all(&log.inner).await.pop().expect("an event");
    assert_eq!(last.stream, account("a"));
    assert_eq!(last.metadata.correlation_id, context.correlation_id);
    assert_eq!(last.metadata.causation_id, context.causation_id);
    assert_eq!(last.metadata.traceparent, context.traceparent);
    assert_eq!(last.metadata.actor, context.actor.id);
    writer.stop().await;
}
