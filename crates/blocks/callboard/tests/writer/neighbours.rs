//! A command at fault fails alone: its neighbours in the batch succeed and the writer lives.

use std::sync::Arc;

use callboard::{Command, CommandContext, CommandError};

use crate::bank::{Bank, Meddle, Note};
use crate::support::{Answered, FaultyLog, Running, Step, all, keyed, soon};
use crate::{deposit, with_accounts};

/// Sends neighbours around a culprit, in one batch; the culprit's answer and how many appends it took.
async fn among_neighbours(
    log: &FaultyLog,
    writer: &Running,
    culprit: impl Command<Log = Bank>,
) -> (CommandError, usize) {
    let before = (log.calls(Step::Append), all(&log.inner).await.len());
    let context = CommandContext::default;
    let in_front: Vec<_> = (0..5).map(|_| writer.send(deposit("a", 1), context())).collect();
    let culprit = writer.send(culprit, keyed(&uuid::Uuid::now_v7().to_string()));
    let behind: Vec<_> = (0..6).map(|_| writer.send(deposit("b", 1), context())).collect();
    for answer in in_front.into_iter().chain(behind) {
        soon(answer.get()).await.expect("a neighbour succeeds");
    }
    let error = soon(culprit.get()).await.expect_err("the culprit fails");
    assert_eq!(
        all(&log.inner).await.len() - before.1,
        11,
        "the neighbours' events and nothing of the culprit's"
    );
    writer.done(deposit("a", 1)).await;
    (error, log.calls(Step::Append) - before.0 - 1)
}

#[track_caller]
fn fault(error: CommandError) -> Arc<str> {
    match error {
        CommandError::Fault(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_anywhere_in_a_command_fails_it_alone() {
    let (log, writer) = with_accounts().await;
    for text in ["reads panics", "decide panics", "encode panics", "evolve panics"] {
        let (error, appends) = among_neighbours(&log, &writer, Note::once("a", text)).await;
        assert!(fault(error).contains(text));
        assert_eq!(appends, 1, "{text}: it costs its neighbours nothing");
    }
    assert_eq!(
        writer.audit("a").await,
        "balance 124 events 26 version 26 deposited 148"
    );
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn two_that_panic_in_one_batch_are_both_left_out() {
    let (_, writer) = with_accounts().await;
    let note = |text: &str| writer.send(Note::once("a", text), CommandContext::default());
    let answers = [
        note("one"),
        note("evolve panics"),
        note("two"),
        note("evolve panics"),
        note("three"),
    ];
    let mut accepted = Vec::new();
    for answer in answers {
        accepted.push(soon(answer.get()).await.is_ok());
    }
    assert_eq!(accepted, [true, false, true, false, true]);
    assert_eq!(writer.audit("a").await, "balance 100 events 5 version 5 deposited 100");
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_that_does_what_it_did_not_declare_fails_alone() {
    let (log, writer) = with_accounts().await;
    for how in ["touch", "version", "model", "type", "write"] {
        let meddle = Meddle {
            account: "a".into(),
            other: "b".into(),
            how: how.into(),
        };
        let (error, appends) = among_neighbours(&log, &writer, meddle).await;
        assert!(fault(error).contains("declare"), "{how}");
        assert_eq!(appends, 1);
    }
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_the_store_refuses_is_halved_until_the_culprit_is_alone() {
    let (log, writer) = with_accounts().await;
    log.reject("unstorable");
    let (error, appends) = among_neighbours(&log, &writer, Note::once("a", "unstorable")).await;
    match error {
        CommandError::Unrecordable(reason) => assert_eq!(reason, "the data are refused"),
        other => panic!("{other:?}"),
    }
    assert!(appends <= 9, "12 commands, one culprit: {appends} appends");
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn every_culprit_of_a_batch_is_found() {
    let (log, writer) = with_accounts().await;
    log.reject("unstorable");
    let answers: Vec<_> = (0..32)
        .map(|number| {
            let text = if [0, 13, 14, 31].contains(&number) {
                "unstorable"
            } else {
                "fine"
            };
            writer.send(Note::once("a", text), CommandContext::default())
        })
        .collect();
    let mut failed = Vec::new();
    for (number, answer) in answers.into_iter().enumerate() {
        if soon(answer.get()).await.is_err() {
            failed.push(number);
        }
    }
    assert_eq!(failed, [0, 13, 14, 31]);
    assert_eq!(
        writer.audit("a").await,
        "balance 100 events 30 version 30 deposited 100"
    );
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_on_which_an_inline_projection_fails_is_alone_at_fault() {
    let (log, writer) = with_accounts().await;
    log.fail_projection_on("unfoldable");
    let (error, _) = among_neighbours(&log, &writer, Note::once("a", "unfoldable")).await;
    assert_eq!(&*fault(error), "the projection fails");
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_live_model_that_panics_fails_who_reads_it_and_nobody_else() {
    let (_, writer) = with_accounts().await;
    let sent = [
        writer.send(Note::once("a", "model panics"), CommandContext::default()),
        writer.send(crate::open("c", "Cid"), CommandContext::default()),
        writer.send(deposit("a", 1), CommandContext::default()),
    ];
    let [note, open, plain] = sent.map(|answer| soon(answer.get()));
    note.await.expect("it doesn't read the live model");
    assert!(fault(open.await.expect_err("the live model can't be folded")).contains("model panics"));
    plain.await.expect("it doesn't read the live model");
    let later = writer.execute(crate::open("c", "Cid")).await;
    assert!(fault(later.expect_err("the live model stays where it was")).contains("live model"));
    writer.done(deposit("a", 1)).await;
    writer.stop().await;
}

/// An event on the stream of b that this code can't read, and what is said of it.
async fn only_who_reads_it_fails(event_type: &'static str, data: serde_json::Value, says: &str) {
    let (log, writer) = with_accounts().await;
    log.record("account-b", event_type, data).await;
    let reads_it = |answer: Answered| fault(answer.expect_err("its stream can't be folded"));
    assert!(reads_it(writer.execute(deposit("b", 1)).await).contains(says));
    writer.done(deposit("a", 1)).await;
    let sent = [
        writer.send(deposit("a", 1), CommandContext::default()),
        writer.send(crate::transfer(1, 1), CommandContext::default()),
        writer.send(deposit("a", 1), CommandContext::default()),
    ];
    let [first, transfer, last] = sent.map(|answer| soon(answer.get()));
    first.await.expect("it doesn't read the stream");
    assert!(reads_it(transfer.await).contains("account-b"));
    last.await.expect("it doesn't read the stream");
    // A live model reads the whole log.
    assert!(reads_it(writer.execute(crate::open("c", "Cid")).await).contains(says));
    writer.stop().await;
    let fresh = crate::support::run(&log).await;
    fresh.done(deposit("a", 1)).await;
    assert!(reads_it(fresh.execute(deposit("b", 1)).await).contains(says));
    fresh.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_of_an_unknown_type_fails_only_the_commands_that_read_its_stream() {
    let event_type = "WrittenByANewerRelease";
    only_who_reads_it_fails(event_type, serde_json::json!({}), event_type).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_decoding_panics_fails_only_the_commands_that_read_its_stream() {
    let data = serde_json::json!({ "account": "b", "text": "decode panics" });
    only_who_reads_it_fails("Noted", data, "decoding Noted v1 panicked: ").await;
}
