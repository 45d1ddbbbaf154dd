//! Crashes at every place, lost answers, and two replicas at once: each command takes effect once.

use std::time::Duration;

use callboard::log::LogReader;
use callboard::memory::MemoryLog;
use callboard::subscription::{Lock, RunError};
use callboard::writer::WriterConfig;
use callboard::{Position, Recorded};
use proptest::prelude::*;

use crate::bank::OpenAccount;
use crate::store::{Store, Trouble};
use crate::support::{Fault, FaultyLog, Running, eventually, keyed, put, run, run_with};
use crate::{begun, deposits, dispatcher, gift, managed, openings, pending};

fn open(account: &str) -> OpenAccount {
    OpenAccount {
        account: account.into(),
        owner: account.into(),
    }
}

fn delivered(events: &[Recorded]) -> Vec<callboard::subscription::Delivery> {
    events
        .iter()
        .map(|event| callboard::subscription::Delivery {
            event: Ok(event.clone()),
        })
        .collect()
}

async fn three_accounts(writer: &Running) {
    for account in ["a", "b", "c"] {
        writer.done(open(account)).await;
    }
}

fn gifts() -> Vec<(String, i64)> {
    [("a", 10), ("b", 20), ("c", 30)]
        .map(|(account, amount)| (account.to_owned(), amount))
        .into()
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_advance_that_was_lost_is_found_out() {
    for trouble in [Trouble::AnswerLost, Trouble::Away] {
        let log = MemoryLog::new();
        let (store, mut manager) = begun(&log).await;
        let events = put(&log, &openings(&["a", "b"])).await;
        store.next_advances([trouble, trouble]);
        for _ in 0..2 {
            let outcome = manager.offer(&delivered(&events)).await;
            if trouble == Trouble::Away {
                assert!(matches!(outcome, Err(RunError::Subscriber(_))), "{outcome:?}");
            }
        }
        manager.offer(&delivered(&events)).await.expect("it goes on");
        assert_eq!(
            pending(&store).await,
            [gift(1, "a", 10), gift(2, "b", 20)],
            "{trouble:?}"
        );
        assert_eq!(store.advanced(), [(0, 2)], "each event once");
        put(&log, &openings(&["c"])).await;
        manager.catch_up(Lock::Wait).await.expect("it goes on");
        assert_eq!(pending(&store).await[2], gift(3, "c", 30), "and the state is right");
    }
}

#[tokio::test(start_paused = true)]
async fn while_another_replica_holds_the_checkpoint_nothing_is_stored_or_lost() {
    let log = MemoryLog::new();
    let (store, mut manager) = begun(&log).await;
    put(&log, &openings(&["a"])).await;
    store.next_advances([Trouble::Busy]);
    manager.catch_up(Lock::Skip).await.expect("it does not wait");
    assert!(pending(&store).await.is_empty());
    manager.catch_up(Lock::Skip).await.expect("it goes on");
    assert_eq!(pending(&store).await, [gift(1, "a", 10)], "the state had not run ahead");
}

#[tokio::test(start_paused = true)]
async fn two_replicas_react_to_each_event_once_and_on_the_same_state() {
    let log = MemoryLog::new();
    let (store, mut first) = begun(&log).await;
    let mut second = managed(&store, &log);
    second.start().await.expect("it starts");
    let names = ["a", "b", "c", "d"];
    for (index, name) in names.iter().enumerate() {
        let events = put(&log, &openings(&[name])).await;
        let (one, other) = if index % 2 == 0 {
            (&mut first, &mut second)
        } else {
            (&mut second, &mut first)
        };
        one.offer(&delivered(&events)).await.expect("it goes on");
        other.offer(&delivered(&events)).await.expect("it goes on");
        other.catch_up(Lock::Wait).await.expect("it goes on");
    }
    let expected: Vec<_> = (1..)
        .zip(names)
        .map(|(number, name)| gift(number, name, number as i64 * 10))
        .collect();
    assert_eq!(pending(&store).await, expected);
    assert_eq!(store.position().await, Position::new(4));
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_advance_and_dispatch_loses_no_command() {
    let log = FaultyLog::new();
    let (store, mut manager) = begun(&log.inner).await;
    let writer = run(&log).await;
    three_accounts(&writer).await;
    manager.catch_up(Lock::Wait).await.expect("it goes on");
    drop(manager);
    let mut restarted = managed(&store, &log.inner);
    restarted.catch_up(Lock::Wait).await.expect("it goes on");
    assert_eq!(dispatcher(&store, &writer).run_once().await.expect("sent"), 3);
    assert_eq!(deposits(&log).await, gifts());
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_dispatch_and_answered_repeats_nothing() {
    let log = FaultyLog::new();
    let (store, mut manager) = begun(&log.inner).await;
    let writer = run(&log).await;
    three_accounts(&writer).await;
    manager.catch_up(Lock::Wait).await.expect("it goes on");
    for trouble in [Trouble::Away, Trouble::AnswerLost] {
        store.next_answers([trouble]);
        dispatcher(&store, &writer)
            .run_once()
            .await
            .expect_err("it crashes there");
    }
    dispatcher(&store, &writer)
        .run_once()
        .await
        .expect("nothing is left, or a repeat");
    assert_eq!(deposits(&log).await, gifts(), "the keys make a repeat no second effect");
    assert!(pending(&store).await.is_empty());
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn two_dispatchers_at_once_send_each_command_once() {
    let log = FaultyLog::new();
    let (store, mut manager) = begun(&log.inner).await;
    let writer = run(&log).await;
    let other = run(&log.beside()).await;
    three_accounts(&writer).await;
    manager.catch_up(Lock::Wait).await.expect("it goes on");
    let (one, two) = (dispatcher(&store, &writer), dispatcher(&store, &other));
    let (first, second) = tokio::join!(one.run_once(), two.run_once());
    assert_eq!(
        (first.expect("sent"), second.expect("sent")),
        (3, 3),
        "both get the answers"
    );
    assert_eq!(deposits(&log).await, gifts());
    writer.stop().await;
    other.stop().await;
}

/// What happens between openings.
#[derive(Debug, Clone)]
enum Step {
    Open,
    CatchUp(usize),
    /// What its appends meet meanwhile.
    Dispatch(usize, Vec<Fault>),
    Crash(usize),
    Advance(Trouble),
    Answer(Trouble),
}

fn step() -> impl Strategy<Value = Step> {
    let trouble = || prop_oneof![Just(Trouble::Away), Just(Trouble::AnswerLost), Just(Trouble::Busy)];
    let fault = prop_oneof![
        3 => Just(Fault::Away),
        1 => prop::sample::select(vec![Fault::Fine, Fault::AnswerLost, Fault::Lost]),
    ];
    prop_oneof![
        8 => Just(Step::Open),
        4 => (0..2_usize).prop_map(Step::CatchUp),
        3 => (0..2_usize, prop::collection::vec(fault, 0..5)).prop_map(|(who, faults)| Step::Dispatch(who, faults)),
        1 => (0..2_usize).prop_map(Step::Crash),
        2 => trouble().prop_map(Step::Advance),
        1 => trouble().prop_map(Step::Answer),
    ]
}

async fn each_once(steps: Vec<Step>) {
    let log = FaultyLog::new();
    let store = Store::default();
    let mut managers = [managed(&store, &log.inner), managed(&store, &log.inner)];
    managers[0].start().await.expect("it starts");
    let logs = [log.clone(), log.beside()];
    // Each command is soon told to wait, and is a batch of its own, which others may follow.
    let impatient = WriterConfig {
        batch_commands: 1,
        answer_within: Duration::from_millis(1),
        ..WriterConfig::default()
    };
    let writers = [
        run_with(&logs[0], impatient.clone()).await,
        run_with(&logs[1], impatient).await,
    ];
    let mut opened = 0;
    for step in steps {
        match step {
            Step::Open => {
                opened += 1;
                // The writer may still be at what met the last fault.
                let (account, key) = (format!("n{opened}"), keyed(&opened.to_string()));
                eventually(async || writers[0].with(open(&account), key.clone()).await.is_ok()).await;
            }
            Step::CatchUp(who) => drop(managers[who].catch_up(Lock::Skip).await),
            Step::Dispatch(who, faults) => {
                logs[who].next_appends(faults);
                drop(dispatcher(&store, &writers[who]).run_once().await);
                logs[who].forget_faults();
            }
            Step::Crash(who) => managers[who] = managed(&store, &log.inner),
            Step::Advance(trouble) => store.next_advances([trouble]),
            Step::Answer(trouble) => store.next_answers([trouble]),
        }
    }
    // All troubles are met once; then everything is settled.
    eventually(async || {
        let caught_up = managers[1].catch_up(Lock::Wait).await.is_ok();
        let sent = dispatcher(&store, &writers[1]).run_once().await.is_ok();
        caught_up && sent && store.position().await == log.inner.head().await.expect("a head").position
    })
    .await;
    assert!(pending(&store).await.is_empty());
    let expected: Vec<_> = (1..=opened).map(|number| (format!("n{number}"), number * 10)).collect();
    assert_eq!(
        deposits(&log).await,
        expected,
        "each gift once, in order, on the state as of its event"
    );
    for writer in writers {
        writer.stop().await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn whatever_crashes_each_command_takes_effect_once(steps in prop::collection::vec(step(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(each_once(steps));
    }
}
