//! Sending what is pending.

use std::sync::Arc;
use std::time::Duration;

use callboard::process_manager::{Advance, Advanced, Dispatcher, PendingCommand, ProcessManagerStore};
use callboard::subscription::Lock;
use callboard::writer::WriterConfig;
use callboard::{Checkpoint, Position, Router, to_json};
use serde_json::json;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::bank::events::{noted, opened};
use crate::bank::{Bank, Deposit, OpenAccount, router};
use crate::store::Store;
use crate::support::{Fault, FaultyLog, Running, Step, all, put, run, run_with, soon, until};
use crate::{begun, deposits, dispatcher, pending};

fn open(account: &str) -> OpenAccount {
    OpenAccount {
        account: account.into(),
        owner: account.into(),
    }
}

/// A writer with the account `a`, and these commands pending.
async fn with_pending(commands: &[(&str, serde_json::Value)]) -> (FaultyLog, Running, Store) {
    let log = FaultyLog::new();
    let writer = run(&log).await;
    let store = pending_with(&writer, commands).await;
    (log, writer, store)
}

async fn pending_with(writer: &Running, commands: &[(&str, serde_json::Value)]) -> Store {
    writer.done(open("a")).await;
    let store = Store::default();
    let at = Checkpoint {
        position: Position::new(1),
        event_id: Uuid::from_u128(1),
    };
    store.register(at).await.expect("it registers");
    let pending: Vec<_> = (2..)
        .zip(commands)
        .map(|(position, (name, body))| PendingCommand {
            position: Position::new(position),
            index: 0,
            name: (*name).into(),
            body: to_json(body).expect("plain data"),
            causation_id: Uuid::from_u128(position.into()),
            correlation_id: Some(format!("c{position}").into()),
            traceparent: Some(format!("t{position}").into()),
        })
        .collect();
    let to = Checkpoint {
        position: Position::new(99),
        event_id: Uuid::from_u128(99),
    };
    let advance = Advance {
        from: at,
        to,
        commands: &pending,
        parked: &[],
        left_out: &[],
    };
    let advanced = store.advance(advance, Lock::Wait).await.expect("it advances");
    assert_eq!(advanced, Advanced::Done);
    store
}

fn deposit(amount: i64) -> (&'static str, serde_json::Value) {
    ("Deposit", json!({"account": "a", "amount": amount}))
}

#[tokio::test(start_paused = true)]
async fn commands_are_sent_in_order_as_children_of_their_events() {
    let amounts: Vec<_> = (1..=600).map(deposit).collect();
    let (log, writer, store) = with_pending(&amounts).await;
    let dispatcher = dispatcher(&store, &writer);
    for sent in [256, 256, 88, 0] {
        assert_eq!(dispatcher.run_once().await.expect("sent"), sent, "a window at a time");
    }
    let expected: Vec<_> = (1..=600).map(|amount| ("a".to_owned(), amount)).collect();
    assert_eq!(deposits(&log).await, expected);
    let events = all(&log.inner).await;
    let second = &events[2];
    assert_eq!(second.metadata.causation_id, Some(Uuid::from_u128(3)));
    assert_eq!(second.metadata.correlation_id.as_deref(), Some("c3"));
    assert_eq!(second.metadata.traceparent.as_deref(), Some("t3"));
    assert_eq!(second.metadata.actor.as_deref(), Some("pm:welcome"));
    assert!(log.calls(Step::Append) <= 10, "many share an append");
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_an_answer() {
    let (log, writer, store) = with_pending(&[
        deposit(1),
        ("Deposit", json!({"account": "nobody", "amount": 1})),
        deposit(2),
    ])
    .await;
    assert_eq!(dispatcher(&store, &writer).run_once().await.expect("sent"), 3);
    assert!(pending(&store).await.is_empty(), "it is not tried again");
    assert_eq!(deposits(&log).await, [("a".to_owned(), 1), ("a".to_owned(), 2)]);
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_that_got_no_answer_is_kept() {
    let (log, writer, store) = with_pending(&[deposit(1), deposit(2)]).await;
    log.fail(Step::Append, usize::MAX);
    dispatcher(&store, &writer)
        .run_once()
        .await
        .expect_err("the log is away");
    assert_eq!(pending(&store).await.len(), 2);
    log.fail(Step::Append, 0);
    assert_eq!(dispatcher(&store, &writer).run_once().await.expect("sent"), 2);
    assert_eq!(deposits(&log).await, [("a".to_owned(), 1), ("a".to_owned(), 2)]);
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn commands_of_a_paused_process_manager_are_sent_when_it_is_resumed() {
    let (log, writer, store) = with_pending(&[deposit(1), deposit(2)]).await;
    let dispatcher = dispatcher(&store, &writer);
    store.gate().pause("it does harm");
    assert_eq!(dispatcher.run_once().await.expect("a look"), 0);
    assert!(deposits(&log).await.is_empty());
    store.gate().resume();
    assert_eq!(dispatcher.run_once().await.expect("sent"), 2);
    assert_eq!(deposits(&log).await, [("a".to_owned(), 1), ("a".to_owned(), 2)]);
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_has_stopped_keeps_everything_pending() {
    let (log, writer, store) = with_pending(&[deposit(1), deposit(2)]).await;
    let dispatcher = dispatcher(&store, &writer);
    writer.stop().await;
    dispatcher.run_once().await.expect_err("the service is shutting down");
    assert_eq!(pending(&store).await.len(), 2);
    let writer = run(&log).await;
    assert_eq!(crate::dispatcher(&store, &writer).run_once().await.expect("sent"), 2);
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_is_waited_for_and_the_order_holds() {
    let amounts: Vec<_> = (1..=100).map(deposit).collect();
    let (log, first, store) = with_pending(&amounts).await;
    first.stop().await;
    let config = callboard::writer::WriterConfig {
        queue_commands: 2,
        batch_commands: 3,
        ..Default::default()
    };
    let writer = crate::support::run_with(&log, config).await;
    let sent = soon(dispatcher(&store, &writer).run_once()).await.expect("sent");
    assert_eq!(sent, 100);
    let amounts: Vec<_> = deposits(&log).await.into_iter().map(|(_, amount)| amount).collect();
    assert_eq!(amounts, (1..=100).collect::<Vec<_>>());
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_that_no_route_takes_waits_with_what_is_behind_it() {
    for strange in [
        ("WrittenByANewerRelease", json!({})),
        ("Deposit", json!({"amount": "much"})),
    ] {
        let (log, writer, store) = with_pending(&[deposit(1), deposit(2), strange, deposit(3)]).await;
        let dispatcher = dispatcher(&store, &writer);
        for _ in 0..3 {
            dispatcher.run_once().await.expect_err("it can't be read");
            assert_eq!(
                pending(&store).await.len(),
                2,
                "what stood before it is answered and gone"
            );
        }
        assert_eq!(deposits(&log).await, [("a".to_owned(), 1), ("a".to_owned(), 2)]);
        writer.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_a_command_is_kept_and_the_others_go_on() {
    let (log, writer, store) = with_pending(&[deposit(1), faulty(), deposit(2)]).await;
    let dispatcher = dispatcher(&store, &writer);
    assert_eq!(dispatcher.run_once().await.expect("two are answered"), 2);
    assert_eq!(pending(&store).await.len(), 1);
    assert_eq!(deposits(&log).await.len(), 2);
    assert_eq!(*dispatcher.stuck().borrow(), 1);
    // Whoever deals with it, it is forgotten.
    store.answered(&[(Position::new(3), 0)]).await.expect("it is deleted");
    assert_eq!(dispatcher.run_once().await.expect("nothing to do"), 0);
    assert_eq!(*dispatcher.stuck().borrow(), 0);
    writer.stop().await;
}

/// A command whose decision panics.
fn faulty() -> (&'static str, serde_json::Value) {
    ("Note", json!({"account": "a", "text": "decide panics", "copies": 1}))
}

#[tokio::test(start_paused = true)]
async fn however_many_commands_are_at_fault_they_hold_up_nobody_and_are_tried_less_and_less_often() {
    let mut commands = vec![faulty(); 300];
    commands.extend((1..=300).map(deposit));
    let (log, writer, store) = with_pending(&commands).await;
    let dispatcher = dispatcher(&store, &writer);
    let stuck = dispatcher.stuck();
    let shutdown = CancellationToken::new();
    let began = tokio::time::Instant::now();
    let task = tokio::spawn(dispatcher.run(shutdown.clone()));
    until(|| *stuck.borrow() == 300 && log.length() == 301).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    let deposited: Vec<_> = deposits(&log).await.into_iter().map(|(_, amount)| amount).collect();
    assert_eq!(deposited, (1..=300).collect::<Vec<_>>(), "in order");
    assert_eq!(pending(&store).await.len(), 300, "kept");
    // Each window of them is one look for their keys, and two windows hold all. In the second ten seconds
    // they are tried once.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let before = log.calls(Step::Append);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let asked = log.calls(Step::Append) - before;
    assert!((1..=4).contains(&asked), "{asked}");
    shutdown.cancel();
    soon(task).await.expect("it ends");
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn behind_a_command_that_must_wait_none_is_done_before_it() {
    let log = FaultyLog::new();
    // Each is a batch of its own, and the log is away for the first one alone.
    let config = WriterConfig {
        batch_commands: 1,
        answer_within: Duration::from_millis(1),
        ..WriterConfig::default()
    };
    let writer = run_with(&log, config).await;
    let store = pending_with(&writer, &[deposit(1), deposit(2), deposit(3)]).await;
    let dispatcher = dispatcher(&store, &writer);
    log.next_appends([Fault::Away, Fault::Away]);
    dispatcher.run_once().await.expect_err("the log was away");
    assert_eq!(deposits(&log).await, [], "none overtakes another");
    assert_eq!(dispatcher.run_once().await.expect("sent"), 3);
    let amounts: Vec<_> = deposits(&log).await.into_iter().map(|(_, amount)| amount).collect();
    assert_eq!(amounts, [1, 2, 3]);
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn it_is_woken_looks_by_itself_and_ends_with_the_shutdown() {
    let log = FaultyLog::new();
    let writer = run(&log).await;
    let store = Store::default();
    let wake = Arc::new(Notify::new());
    let subscriber = callboard::process_manager::ProcessManagerSubscriber::<crate::bank::Welcome, _, _>::new(
        store.clone(),
        log.inner.clone(),
        wake.clone(),
    );
    let mut manager = callboard::subscription::Runner::new(subscriber, log.inner.clone());
    manager.start().await.expect("it starts");
    let dispatcher = Dispatcher::<Bank, _>::new(
        "welcome",
        store.clone(),
        Arc::new(router()),
        writer.commands.clone(),
        wake,
    );
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(dispatcher.run(shutdown.clone()));
    for account in ["a", "b"] {
        writer.done(open(account)).await;
        let since = tokio::time::Instant::now();
        manager.catch_up(Lock::Wait).await.expect("it goes on");
        let length = log.length();
        until(|| log.length() > length).await;
        assert!(
            since.elapsed() < Duration::from_millis(100),
            "it was woken: {:?}",
            since.elapsed()
        );
    }
    // Stored by another replica, which wakes nobody here.
    let mut other = crate::managed(&store, &log.inner);
    writer.done(open("c")).await;
    other.catch_up(Lock::Wait).await.expect("it goes on");
    let length = log.length();
    until(|| log.length() > length).await;
    assert_eq!(deposits(&log).await.len(), 3);
    shutdown.cancel();
    soon(task).await.expect("it ends");
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn several_commands_of_one_event_keep_their_order_and_their_own_keys() {
    let log = FaultyLog::new();
    let (store, mut manager) = begun(&log.inner).await;
    put(
        &log.inner,
        &[("account-a", opened("a", "a")), ("account-a", noted("a", "gift"))],
    )
    .await;
    manager.catch_up(Lock::Wait).await.expect("it goes on");
    let indexes: Vec<_> = store
        .pending(10)
        .await
        .expect("a read")
        .iter()
        .map(|c| (c.position.get(), c.index))
        .collect();
    assert_eq!(indexes, [(1, 0), (2, 0), (2, 1), (2, 2)]);
    let writer = run(&log).await;
    assert_eq!(dispatcher(&store, &writer).run_once().await.expect("sent"), 4);
    assert_eq!(
        deposits(&log).await,
        [("a".to_owned(), 10), ("a".to_owned(), 1), ("a".to_owned(), 2)]
    );
    writer.stop().await;
}

#[test]
fn the_router_lists_its_commands_and_refuses_a_name_twice() {
    let names: Vec<_> = router().commands().map(|(name, _)| name).collect();
    assert_eq!(names, ["Audit", "Deposit", "Meddle", "Note", "OpenAccount", "Transfer"]);
    let twice = std::panic::catch_unwind(|| Router::<Bank>::new().command::<Deposit>().command::<Deposit>());
    assert!(twice.is_err());
}
