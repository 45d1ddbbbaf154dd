//! Idempotency keys.

use callboard::log::IdempotencyKey;
use callboard::{CommandContext, CommandError, Executed};
use futures::future::join_all;

use crate::bank::Note;
use crate::support::{all, keyed, run, soon};
use crate::{deposit, open, transfer, with_accounts};

#[track_caller]
fn done(answer: Result<Executed, CommandError>) -> Executed {
    answer.expect("it is accepted")
}

#[track_caller]
fn refused(answer: Result<Executed, CommandError>) -> &'static str {
    match answer {
        Err(CommandError::Refused(refusal)) => refusal.rule,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn reused(answer: Result<Executed, CommandError>) {
    assert!(matches!(answer, Err(CommandError::KeyReused)), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn a_repeat_answers_the_same_receipt_and_records_nothing() {
    let (log, writer) = with_accounts().await;
    let first = done(writer.with(deposit("a", 1), keyed("k")).await);
    assert!(!first.replayed);
    writer.done(deposit("a", 1)).await;
    for _ in 0..3 {
        let again = done(writer.with(deposit("a", 1), keyed("k")).await);
        assert!(again.replayed);
        assert_eq!(again.receipt, first.receipt);
    }
    assert_eq!(all(&log.inner).await.len(), 5);
    writer.stop().await;
    let restarted = run(&log).await;
    let again = done(restarted.with(deposit("a", 1), keyed("k")).await);
    assert_eq!(
        (again.replayed, again.receipt),
        (true, first.receipt),
        "also after a restart"
    );
    restarted.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_key_used_for_another_body_stream_or_command_is_refused() {
    let (log, writer) = with_accounts().await;
    done(writer.with(deposit("a", 1), keyed("k")).await);
    reused(writer.with(deposit("a", 2), keyed("k")).await);
    reused(writer.with(deposit("b", 1), keyed("k")).await);
    reused(writer.with(Note::once("a", "x"), keyed("k")).await);
    assert_eq!(all(&log.inner).await.len(), 4);
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn keys_of_different_scopes_know_nothing_of_each_other() {
    let (_, writer) = with_accounts().await;
    let scoped = |scope: &str| CommandContext {
        key: Some(IdempotencyKey {
            scope: scope.into(),
            key: "k".into(),
        }),
        ..CommandContext::default()
    };
    for scope in ["client:-", "client:org", "pm:welcome"] {
        assert!(!done(writer.with(deposit("a", 1), scoped(scope)).await).replayed);
    }
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn sixty_four_identical_requests_at_once_are_one_append_and_equal_receipts() {
    let (log, writer) = with_accounts().await;
    let other = run(&log.beside()).await;
    let answers = join_all((0..64).map(|number| {
        let writer = if number % 2 == 0 { &writer } else { &other };
        writer.with(transfer(1, 10), keyed("k"))
    }))
    .await;
    let executed: Vec<_> = answers.into_iter().map(done).collect();
    assert_eq!(
        executed.iter().filter(|executed| !executed.replayed).count(),
        1,
        "one of them did it"
    );
    assert!(executed.iter().all(|other| other.receipt == executed[0].receipt));
    assert_eq!(all(&log.inner).await.len(), 6);
    writer.stop().await;
    other.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_command_is_decided_anew() {
    let (_, writer) = with_accounts().await;
    assert_eq!(
        refused(writer.with(transfer(1, 150), keyed("k")).await),
        "insufficient-funds"
    );
    assert_eq!(
        refused(writer.with(transfer(1, 150), keyed("k")).await),
        "insufficient-funds"
    );
    writer.done(deposit("a", 50)).await;
    assert!(!done(writer.with(transfer(1, 150), keyed("k")).await).replayed);
    assert!(done(writer.with(transfer(1, 150), keyed("k")).await).replayed);
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_command_holds_no_key_also_inside_a_batch() {
    let (_, writer) = with_accounts().await;
    let sent = [
        writer.send(transfer(1, 150), keyed("k")),
        writer.send(transfer(2, 10), keyed("k")),
        writer.send(transfer(2, 10), keyed("k")),
        writer.send(transfer(1, 150), keyed("k")),
    ];
    let [first, second, third, fourth] = sent.map(|answer| soon(answer.get()));
    assert_eq!(refused(first.await), "insufficient-funds");
    let second = done(second.await);
    assert!(!second.replayed);
    let third = done(third.await);
    assert_eq!((third.replayed, &third.receipt), (true, &second.receipt));
    reused(fourth.await);
    let later = done(writer.with(transfer(2, 10), keyed("k")).await);
    assert_eq!(
        (later.replayed, later.receipt),
        (true, second.receipt),
        "the accepted one was stored"
    );
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn in_one_batch_a_repeat_takes_the_firsts_outcome_and_another_body_is_refused() {
    let (log, writer) = with_accounts().await;
    let sent = [
        writer.send(deposit("a", 1), keyed("k")),
        writer.send(deposit("a", 1), keyed("k")),
        writer.send(deposit("a", 2), keyed("k")),
        writer.send(transfer(9, 999), keyed("l")),
        writer.send(transfer(9, 999), keyed("l")),
    ];
    let [first, again, other, no, no_again] = sent.map(|answer| soon(answer.get()));
    let (first, again) = (done(first.await), done(again.await));
    assert_eq!(
        (first.replayed, again.replayed, &first.receipt),
        (false, true, &again.receipt)
    );
    reused(other.await);
    assert_eq!(refused(no.await), "insufficient-funds");
    assert_eq!(refused(no_again.await), "insufficient-funds");
    assert_eq!(all(&log.inner).await.len(), 4);
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn known_keys_in_a_batch_are_answered_and_the_others_go_on() {
    let (log, writer) = with_accounts().await;
    let first = done(writer.with(deposit("a", 1), keyed("k")).await);
    let sent = [
        writer.send(deposit("a", 1), CommandContext::default()),
        writer.send(deposit("a", 1), keyed("k")),
        writer.send(deposit("a", 5), keyed("k")),
        writer.send(deposit("b", 1), keyed("new")),
    ];
    let [plain, known, other, new] = sent.map(|answer| soon(answer.get()));
    assert!(!done(plain.await).replayed);
    assert_eq!(done(known.await).receipt, first.receipt);
    reused(other.await);
    assert!(!done(new.await).replayed);
    assert_eq!(writer.audit("a").await, "balance 102 events 4 version 4 deposited 103");
    assert_eq!(all(&log.inner).await.len(), 6);
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_that_records_nothing_keeps_its_key() {
    let (log, writer) = with_accounts().await;
    let first = done(writer.with(deposit("a", 0), keyed("k")).await);
    assert_eq!(
        (first.replayed, first.receipt.events.len(), first.receipt.position.get()),
        (false, 0, 3)
    );
    writer.done(deposit("a", 7)).await;
    let again = done(writer.with(deposit("a", 0), keyed("k")).await);
    assert_eq!((again.replayed, again.receipt), (true, first.receipt));
    reused(writer.with(deposit("a", 9), keyed("k")).await);
    assert_eq!(all(&log.inner).await.len(), 4);
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_created_is_in_the_receipt_of_the_repeat() {
    let (_, writer) = with_accounts().await;
    let first = done(writer.with(open("c", "Cid"), keyed("k")).await);
    let again = done(writer.with(open("c", "Cid"), keyed("k")).await);
    assert!(first.receipt.id.is_some());
    assert_eq!(first.receipt.id, again.receipt.id);
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_fingerprint_that_the_edge_took_counts_instead_of_the_commands() {
    let (_, writer) = with_accounts().await;
    let of = |byte: u8| CommandContext {
        fingerprint: Some([byte; 32]),
        ..keyed("k")
    };
    done(writer.with(deposit("a", 1), of(1)).await);
    assert!(done(writer.with(deposit("a", 2), of(1)).await).replayed);
    reused(writer.with(deposit("a", 1), of(2)).await);
    writer.stop().await;
}

#[test]
fn a_commands_fingerprint_is_of_its_name_its_stream_and_its_body() {
    let command = deposit("a", 1);
    let print = callboard::writer::AnyCommand::fingerprint(&command);
    assert_eq!(
        print,
        callboard::writer::fingerprint("Deposit", Some(&crate::bank::account("a")), &command)
    );
}

#[test]
fn a_fingerprint_tells_name_stream_and_body_apart_and_nothing_else() {
    use callboard::writer::fingerprint;
    let (a, b) = (crate::bank::account("a"), crate::bank::account("b"));
    let body = serde_json::json!({"x": 1, "y": [1, 2]});
    let same: serde_json::Value = serde_json::from_str(r#"{ "y": [1,2], "x": 1 }"#).expect("JSON");
    let print = fingerprint("Name", Some(&a), &body);
    assert_eq!(print, fingerprint("Name", Some(&a), &same));
    for other in [
        fingerprint("Other", Some(&a), &body),
        fingerprint("Name", Some(&b), &body),
        fingerprint("Name", None, &body),
        fingerprint("Name", Some(&a), &serde_json::json!({"x": 2, "y": [1, 2]})),
        fingerprint("Name", Some(&a), &serde_json::json!({"x": 1, "y": [2, 1]})),
        fingerprint("Nameaccount-a", None, &body),
    ] {
        assert_ne!(print, other);
    }
}
