//! Whatever happens to deliveries, the rows are those of a plain fold of the log.

use std::collections::HashSet;

use callboard::memory::MemoryLog;
use callboard::subscription::{Delivery, Lock, Mode, RunError, Runner};
use callboard::{Checkpoint, Position, Recorded};
use proptest::prelude::*;
use uuid::Uuid;

use crate::Balanced;
use crate::bank::BankEvent;
use crate::bank::events::{credited, debited, deposited, made, noted, opened};
use crate::support::{Checked, Trouble, all, put};

/// One delivery, relative to the log at that moment.
#[derive(Debug, Clone)]
enum Message {
    /// The event at this place (modulo the log's length).
    Own(usize),
    /// A run of so many from there.
    Run(usize, usize),
    /// Another event in its place, with the right id before it or with another.
    Forged(usize, bool),
    /// A run of a timeline that parts behind this place.
    Lost(usize, usize),
    /// Beyond the head by so many.
    Beyond(u64),
    Unreadable,
}

#[derive(Debug, Clone)]
enum Step {
    Grow(Vec<u8>),
    Offer(usize, Vec<Message>),
    CatchUp(usize, bool),
    Look(usize),
    Trouble(Trouble),
    Restart(usize),
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        6 => any::<usize>().prop_map(Message::Own),
        6 => (any::<usize>(), 1..8_usize).prop_map(|(from, count)| Message::Run(from, count)),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(at, linked)| Message::Forged(at, linked)),
        1 => (any::<usize>(), 1..4_usize).prop_map(|(from, count)| Message::Lost(from, count)),
        1 => prop_oneof![1..5_u64, Just(u64::MAX / 2)].prop_map(Message::Beyond),
        1 => Just(Message::Unreadable),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let trouble = prop_oneof![
        Just(Trouble::Away),
        Just(Trouble::AnswerLost),
        Just(Trouble::Busy),
        Just(Trouble::Overtaken)
    ];
    prop_oneof![
        3 => prop::collection::vec(any::<u8>(), 1..10).prop_map(Step::Grow),
        8 => (0..2_usize, prop::collection::vec(message(), 1..12)).prop_map(|(who, what)| Step::Offer(who, what)),
        1 => (0..2_usize, any::<bool>()).prop_map(|(who, wait)| Step::CatchUp(who, wait)),
        2 => (0..2_usize).prop_map(Step::Look),
        2 => trouble.prop_map(Step::Trouble),
        1 => (0..2_usize).prop_map(Step::Restart),
    ]
}

fn happening(byte: u8) -> (&'static str, BankEvent) {
    let amount = i64::from(byte);
    match byte % 7 {
        0 => ("account-a", opened("a", "Ann")),
        1 => ("account-b", opened("b", "Bob")),
        2 => ("account-a", deposited("a", amount)),
        3 => ("account-b", credited("b", amount)),
        4 => ("account-a", debited("a", amount)),
        5 => ("account-b", noted("b", "delete")),
        _ => ("transfer-1", made("a", "b", amount)),
    }
}

fn deliveries(log: &[Recorded], messages: &[Message]) -> Vec<Delivery> {
    let mut made = Vec::new();
    let ours = |event: &Recorded| Delivery {
        event: Ok(event.clone()),
    };
    for message in messages {
        let place = |number: usize| number % log.len().max(1);
        match message {
            Message::Unreadable => made.push(Delivery {
                event: Err("no JSON".into()),
            }),
            _ if log.is_empty() => {}
            Message::Own(at) => made.push(ours(&log[place(*at)])),
            Message::Run(from, count) => made.extend(log.iter().skip(place(*from)).take(*count).map(ours)),
            Message::Forged(at, linked) => {
                let event = &log[place(*at)];
                let previous_id = if *linked { event.previous_id } else { Uuid::now_v7() };
                made.push(ours(&Recorded {
                    id: Uuid::now_v7(),
                    previous_id,
                    ..event.clone()
                }));
            }
            Message::Lost(from, count) => {
                let mut previous_id = log[place(*from)].previous_id;
                for event in log.iter().skip(place(*from)).take(*count) {
                    let lost = Recorded {
                        id: Uuid::now_v7(),
                        previous_id,
                        ..event.clone()
                    };
                    previous_id = lost.id;
                    made.push(ours(&lost));
                }
            }
            Message::Beyond(by) => {
                let last = &log[log.len() - 1];
                let position = last.position.plus(*by);
                made.push(ours(&Recorded {
                    id: Uuid::now_v7(),
                    previous_id: last.id,
                    position,
                    ..last.clone()
                }));
            }
        }
    }
    made
}

/// What must be reported of these, for a runner at this checkpoint.
fn foreign(log: &[Recorded], checkpoint: Checkpoint, deliveries: &[Delivery]) -> Vec<usize> {
    let ids: HashSet<Uuid> = log.iter().map(|event| event.id).collect();
    let judged = |delivery: &Delivery| match &delivery.event {
        Err(_) => true,
        Ok(event) => event.position >= checkpoint.position && !ids.contains(&event.id),
    };
    (0..deliveries.len())
        .filter(|index| judged(&deliveries[*index]))
        .collect()
}

/// How many of these the runner had not applied before.
fn fresh(log: &[Recorded], checkpoint: Checkpoint, deliveries: &[Delivery]) -> u64 {
    let ids: HashSet<Uuid> = log.iter().map(|event| event.id).collect();
    let of_interest = deliveries.iter().filter_map(|delivery| delivery.event.as_ref().ok());
    let fresh: HashSet<Uuid> = of_interest
        .filter(|event| event.position > checkpoint.position && ids.contains(&event.id))
        .map(|event| event.id)
        .collect();
    fresh.len() as u64
}

async fn offer(log: &MemoryLog, store: &Checked, runner: &mut Balanced, messages: &[Message]) {
    let held = all(log).await;
    let deliveries = deliveries(&held, messages);
    let calm = runner.start().await.is_ok() && !store.is_troubled();
    let status = runner.status();
    let before = status.borrow().clone();
    // Where another replica has moved the checkpoint, what it passed by is a duplicate, whoever made it.
    let calm = calm && store.position().await == before.checkpoint.position;
    for _ in 0..10 {
        match runner.offer(&deliveries).await {
            Ok(reported) => {
                let reported: Vec<usize> = reported.into_iter().map(|foreign| foreign.index).collect();
                let expected = foreign(&held, before.checkpoint, &deliveries);
                if calm {
                    assert_eq!(reported, expected, "exactly the foreign ones");
                    let after = status.borrow();
                    let counted = (after.duplicates - before.duplicates) + (after.foreign - before.foreign);
                    let all = deliveries.len() as u64;
                    assert_eq!(
                        counted + fresh(&held, before.checkpoint, &deliveries),
                        all,
                        "each is counted once"
                    );
                } else {
                    assert!(
                        reported.iter().all(|index| expected.contains(index)),
                        "nothing of ours is foreign"
                    );
                }
                return;
            }
            Err(RunError::Stopped { reason, .. }) => panic!("nothing here is a reason to halt: {reason}"),
            Err(_) => assert!(!calm, "there was no trouble"),
        }
    }
    panic!("ten tries meet no more than a few troubles");
}

async fn converges(steps: Vec<Step>) {
    let log = MemoryLog::new();
    let store = Checked::new(&log);
    let new = || Runner::new(store.clone(), log.clone());
    let mut runners = [new(), new()];
    let mut seen = [None, None];
    for step in steps {
        match step {
            Step::Grow(bytes) => {
                put(&log, &bytes.into_iter().map(happening).collect::<Vec<_>>()).await;
            }
            Step::Offer(who, messages) => offer(&log, &store, &mut runners[who], &messages).await,
            Step::CatchUp(who, wait) => {
                let _ = runners[who].catch_up(if wait { Lock::Wait } else { Lock::Skip }).await;
            }
            Step::Look(who) => seen[who] = runners[who].look(seen[who]).await.unwrap_or(None),
            Step::Trouble(trouble) => store.next_runs([trouble]),
            Step::Restart(who) => runners[who] = new(),
        }
        let so_far = store.position().await;
        assert_eq!(
            store.rows().await,
            Checked::plain_fold(&log, so_far).await,
            "at every moment"
        );
    }
    store.next_runs([Trouble::Fine; 50]);
    for _ in 0..60 {
        let _ = runners[0].catch_up(Lock::Wait).await;
    }
    let head = all(&log).await.len() as u64;
    assert_eq!(store.position().await, Position::new(head));
    assert_eq!(store.rows().await, Checked::plain_fold(&log, Position::new(head)).await);
    assert!(!matches!(runners[0].status().borrow().mode, Mode::Halted(_)));
}

/// The log is put back under a runner, grows anew, and both timelines are delivered.
async fn never_mixed(before: Vec<u8>, applied: usize, kept: usize, after: Vec<u8>, messages: Vec<(bool, Message)>) {
    let log = MemoryLog::new();
    let store = Checked::new(&log);
    let mut runner = Runner::new(store.clone(), log.clone());
    let old = put(&log, &before.into_iter().map(happening).collect::<Vec<_>>()).await;
    let applied = applied % (old.len() + 1);
    let whole: Vec<Delivery> = deliveries(&old, &[Message::Run(0, applied)]);
    runner.offer(&whole).await.expect("it goes on");
    let rows = store.rows().await;
    let kept = kept % (old.len() + 1);
    log.put_back_to(Position::new(kept as u64));
    put(&log, &after.into_iter().map(happening).collect::<Vec<_>>()).await;
    let new = all(&log).await;
    let lost = applied > kept;
    for (of_old, message) in messages {
        let batch = deliveries(if of_old { &old } else { &new }, &[message]);
        let outcome = runner.offer(&batch).await;
        assert!(
            lost || outcome.is_ok(),
            "the checkpoint is of both timelines: {outcome:?}"
        );
        if lost {
            assert_eq!(store.rows().await, rows, "nothing of the new timeline is mixed in");
        }
    }
    let outcome = runner.catch_up(Lock::Wait).await;
    if lost {
        assert!(matches!(outcome, Err(RunError::Stopped { .. })), "{outcome:?}");
        assert_eq!(store.rows().await, rows);
    } else {
        outcome.expect("it goes on");
        assert_eq!(
            store.rows().await,
            Checked::plain_fold(&log, Position::new(new.len() as u64)).await
        );
    }
}

fn block_on(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.expect("a runtime").block_on(work);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_deliveries_never_change_the_rows(steps in prop::collection::vec(step(), 1..40)) {
        block_on(converges(steps));
    }

    #[test]
    fn two_timelines_are_never_mixed(
        before in prop::collection::vec(any::<u8>(), 0..12),
        applied in any::<usize>(),
        kept in any::<usize>(),
        after in prop::collection::vec(any::<u8>(), 0..20),
        messages in prop::collection::vec((any::<bool>(), message()), 0..10),
    ) {
        block_on(never_mixed(before, applied, kept, after, messages));
    }
}
