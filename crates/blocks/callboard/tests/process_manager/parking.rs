//! Process managers that park: what waits for newer code, and how much may wait. What every store
//! must do with it stands in the contract.

use std::sync::Arc;

use callboard::contract::{ItemEvent, ItemsLog, OlderEvent, OlderLog, Tally};
use callboard::memory::{MemoryLog, MemoryProcessManagerStore};
use callboard::parking::{Cause, OnFailure, PARKED_MOST, TOO_MANY};
use callboard::process_manager::{ProcessManagerStore, ProcessManagerSubscriber};
use callboard::spec::record;
use callboard::subscription::{Lock, RunError, Runner};
use callboard::{Checkpoint, Log, ProcessManager, Reaction, Recorded};
use serde_json::json;
use tokio::sync::Notify;

/// The older release, which does nothing.
struct Older;

impl ProcessManager for Older {
    type Log = OlderLog;
    type State = ();
    const NAME: &'static str = Tally::<true>::NAME;
    const ON_FAILURE: OnFailure = OnFailure::Park;

    fn evolve((): &mut (), _: &Recorded<OlderEvent>) {}

    fn react((): &(), _: &Recorded<OlderEvent>) -> Reaction<OlderLog> {
        Reaction::nothing()
    }
}

type Managed<M> = Runner<ProcessManagerSubscriber<M, MemoryProcessManagerStore, MemoryLog>, MemoryLog>;

fn managed<M: ProcessManager>(store: &MemoryProcessManagerStore, log: &MemoryLog) -> Managed<M> {
    let subscriber = ProcessManagerSubscriber::new(store.clone(), log.clone(), Arc::new(Notify::new()));
    Runner::new(subscriber, log.clone())
}

fn item(kind: fn(callboard::contract::ItemFact) -> ItemEvent, label: &str) -> ItemEvent {
    let fact = json!({"shelf": "a", "number": 1, "label": label, "weight": 1, "price": "1", "note": null});
    kind(serde_json::from_value(fact).expect("an item"))
}

async fn begun() -> (MemoryProcessManagerStore, MemoryLog) {
    let store = MemoryProcessManagerStore::new();
    store.register(Checkpoint::START).await.expect("it is registered");
    (store, MemoryLog::new())
}

#[tokio::test(start_paused = true)]
async fn what_an_older_process_manager_does_not_know_waits_for_newer_code() {
    let (store, log) = begun().await;
    let (put, removed) = (item(ItemEvent::Put, "one"), item(ItemEvent::Removed, "one"));
    let events = [("s-1", removed), ("s-1", put.clone()), ("s-2", put)];
    record::<ItemsLog>(&log, &events).await;
    let mut older = managed::<Older>(&store, &log);
    older.catch_up(Lock::Wait).await.expect("it goes on");
    let parked = store.left_out().await.expect("a read").parked;
    let causes: Vec<_> = parked
        .iter()
        .map(|parked| (parked.position.get(), parked.cause))
        .collect();
    assert_eq!(causes, [(1, Cause::Undecodable), (2, Cause::Behind)]);
    older.look(None).await.expect("it looks");
    let parked = store.left_out().await.expect("a read").parked;
    assert_eq!(parked[0].tries, 0, "the same code needn't try");

    let mut newer = managed::<Tally<true>>(&store, &log);
    newer.catch_up(Lock::Wait).await.expect("it starts");
    newer.look(None).await.expect("it looks");
    assert_eq!(
        store.left_out().await.expect("a read").parked,
        [],
        "nobody had to ask for it"
    );
    let pending = store.pending(10).await.expect("a read");
    let told: Vec<_> = pending.iter().map(|command| command.body.get()).collect();
    let sums = [
        r#"{"stream":"s-1","sum":1,"all":1}"#,
        r#"{"stream":"s-1","sum":2,"all":2}"#,
    ];
    assert_eq!(told, sums, "on the state as of each; s-2 had been reacted to");
}

/// A release that halts at what it can't take; `L` is the log as it knows it.
struct Halting<L>(std::marker::PhantomData<L>);

impl<L: Log> ProcessManager for Halting<L> {
    type Log = L;
    type State = u64;
    const NAME: &'static str = "halting";

    fn evolve(count: &mut u64, _: &Recorded<L::Event>) {
        *count += 1;
    }

    fn react(_: &u64, _: &Recorded<L::Event>) -> Reaction<L> {
        Reaction::nothing()
    }
}

fn is_stopped(outcome: &Result<(), RunError>) -> bool {
    matches!(outcome, Err(RunError::Stopped { .. }))
}

#[tokio::test(start_paused = true)]
async fn what_an_older_process_manager_halts_at_is_taken_up_by_newer_code_which_the_older_one_never_halts() {
    let (store, log) = begun().await;
    let (put, removed) = (item(ItemEvent::Put, "one"), item(ItemEvent::Removed, "one"));
    record::<ItemsLog>(&log, &[("s-1", put.clone()), ("s-2", removed), ("s-3", put)]).await;
    let mut older = managed::<Halting<OlderLog>>(&store, &log);
    assert!(is_stopped(&older.catch_up(Lock::Wait).await));
    assert_eq!(store.gate().state().0, "halted");
    assert!(
        is_stopped(&older.catch_up(Lock::Wait).await),
        "the same code needn't try"
    );

    let mut newer = managed::<Halting<ItemsLog>>(&store, &log);
    newer.catch_up(Lock::Wait).await.expect("it goes on by itself");
    assert_eq!(newer.status().borrow().checkpoint.position.get(), 3);
    // One that starts again finds something in its state that it doesn't know, and stands by alone.
    let mut older = managed::<Halting<OlderLog>>(&store, &log);
    assert!(is_stopped(&older.catch_up(Lock::Wait).await));
    assert_eq!(store.gate().state(), ("running", None));
}

#[tokio::test(start_paused = true)]
async fn a_halt_for_another_reason_is_lifted_by_nobody_but_a_person() {
    let (store, log) = begun().await;
    record::<ItemsLog>(&log, &[("s-1", item(ItemEvent::Put, "one"))]).await;
    store.halt("position 1: something else").await.expect("it is stored");
    let mut newer = managed::<Halting<ItemsLog>>(&store, &log);
    assert!(is_stopped(&newer.catch_up(Lock::Wait).await));
    assert_eq!(store.gate().state().0, "halted");
    store.gate().resume();
    newer.catch_up(Lock::Wait).await.expect("it goes on");
}

#[tokio::test(start_paused = true)]
async fn a_state_that_a_panic_left_half_changed_is_folded_anew() {
    let (store, log) = begun().await;
    let mut careless = managed::<Tally<false>>(&store, &log);
    for (stream, label) in [("s-1", "one"), ("s-2", "poison"), ("s-1", "two")] {
        record::<ItemsLog>(&log, &[(stream, item(ItemEvent::Put, label))]).await;
        careless.catch_up(Lock::Wait).await.expect("it goes on");
    }
    let pending = store.pending(10).await.expect("a read");
    let last = pending.last().map(|command| command.body.get());
    assert_eq!(
        last,
        Some(r#"{"stream":"s-1","sum":2,"all":2}"#),
        "nothing of the poison"
    );
}

#[tokio::test(start_paused = true)]
async fn more_than_so_many_parked_events_halt_it() {
    let (store, log) = begun().await;
    let poison = ("s-1", item(ItemEvent::Put, "poison"));
    record::<ItemsLog>(&log, &vec![poison; PARKED_MOST + 1]).await;
    let mut careless = managed::<Tally<false>>(&store, &log);
    let outcome = careless.catch_up(Lock::Wait).await;
    assert!(
        matches!(&outcome, Err(RunError::Stopped { reason, .. }) if reason.contains(TOO_MANY)),
        "{outcome:?}"
    );
    let left_out = store.left_out().await.expect("a read");
    assert_eq!(left_out.parked.len(), PARKED_MOST);
}
