//! What every store of a process manager must do with events that it parks, shown on the items.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::views::{ItemEvent, ItemsLog, put};
use crate::command::{Command, Decision, Moment, Reads, Refusal, Route};
use crate::event::Recorded;
use crate::log::LogStore;
use crate::names::{Checkpoint, Position, StreamName};
use crate::parking::{Cause, OnFailure, Parking, Retried, RetryOutcome, Selection};
use crate::process_manager::{
    Advance, Advanced, ManagerParking, ProcessManager, ProcessManagerStore, ProcessManagerSubscriber, Reaction, TakeUp,
};
use crate::spec::record;
use crate::subscription::{Lock, Runner};
use crate::world::World;

/// What [`Tally`] calls for: its sums as of an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tell {
    stream: StreamName,
    /// The weights of the stream.
    sum: i64,
    /// The weights of all streams.
    all: i64,
}

impl Command for Tell {
    type Log = ItemsLog;
    const NAME: &'static str = "Tell";
    const ROUTE: Route = Route {
        aggregate: "Item",
        stream: "{stream}",
        events: &[],
        refusals: &[],
    };

    fn stream(&self) -> StreamName {
        self.stream.clone()
    }

    fn reads(&self) -> Reads<ItemsLog> {
        Reads {
            streams: Vec::new(),
            models: Vec::new(),
        }
    }

    fn decide(&self, _: &World<'_, ItemsLog>, _: &Moment) -> Result<Decision<ItemEvent>, Refusal> {
        Ok(Decision::nothing())
    }
}

/// Sums up weights, and tells after each event. The careless one can't take in an item labelled
/// `poison`, and can't react to one labelled `unspeakable`; the careful one is its newer release.
pub struct Tally<const CAREFUL: bool>;

impl<const CAREFUL: bool> ProcessManager for Tally<CAREFUL> {
    type Log = ItemsLog;
    type State = BTreeMap<StreamName, i64>;
    const NAME: &'static str = "tally";
    const ON_FAILURE: OnFailure = OnFailure::Park;

    fn evolve(sums: &mut Self::State, event: &Recorded<ItemEvent>) {
        let (ItemEvent::Put(fact) | ItemEvent::Removed(fact)) = &event.event;
        // Before the panic, for a half changed state must not stay.
        *sums.entry(event.stream.clone()).or_default() += fact.weight;
        assert!(CAREFUL || fact.label != "poison", "poison");
    }

    fn react(sums: &Self::State, event: &Recorded<ItemEvent>) -> Reaction<ItemsLog> {
        let (ItemEvent::Put(fact) | ItemEvent::Removed(fact)) = &event.event;
        assert!(CAREFUL || fact.label != "unspeakable", "unspeakable");
        Reaction::issue(&Tell {
            stream: event.stream.clone(),
            sum: sums.get(&event.stream).copied().unwrap_or(0),
            all: sums.values().sum(),
        })
    }
}

pub(super) type Running<const CAREFUL: bool, S, L> = Runner<ProcessManagerSubscriber<Tally<CAREFUL>, S, L>, L>;

pub(super) fn running<const CAREFUL: bool, S: ProcessManagerStore, L: LogStore + Clone>(
    store: &S,
    log: &L,
) -> Running<CAREFUL, S, L> {
    let subscriber = ProcessManagerSubscriber::new(store.clone(), log.clone(), Arc::new(Notify::new()));
    Runner::new(subscriber, log.clone())
}

pub(super) fn item(stream: &'static str, label: &str, weight: i64) -> (&'static str, ItemEvent) {
    (stream, put("a", 1, label, weight, None).1)
}

/// Judges a fresh store of [`Tally`], whose log is `log`, empty as yet.
///
/// # Panics
/// When the store breaks the contract; the message says where.
pub async fn process_managers<S, L>(store: S, log: &L)
where
    S: ProcessManagerStore,
    L: LogStore + Clone,
{
    store.register(Checkpoint::START).await.expect("it is registered");
    record::<ItemsLog>(
        log,
        &[
            item("s-1", "one", 1),
            item("s-1", "poison", 10),
            item("s-2", "free", 100),
            item("s-1", "behind", 1_000),
        ],
    )
    .await;
    let mut careless = running::<false, _, _>(&store, log);
    careless.catch_up(Lock::Wait).await.expect("it goes on");
    // Nothing stands before it in its run, so its state doesn't run ahead of the checkpoint.
    let last = [
        item("s-3", "unspeakable", 10_000),
        item("s-3", "behind", 1),
        item("s-2", "free", 100),
    ];
    record::<ItemsLog>(log, &last).await;
    careless.catch_up(Lock::Wait).await.expect("it goes on");
    assert_eq!(
        told(&store).await,
        ["1 s-1 1 1", "3 s-2 100 101", "7 s-2 200 201"],
        "what is parked is in no sum"
    );
    let behind = |position| (position, Cause::Behind);
    let failed = |position| (position, Cause::Failed);
    assert_eq!(parked(&store).await, [failed(2), behind(4), failed(5), behind(6)]);

    let mut restarted = running::<false, _, _>(&store, log);
    record::<ItemsLog>(log, &[item("s-2", "free", 100)]).await;
    restarted.catch_up(Lock::Wait).await.expect("it goes on");
    assert_eq!(told(&store).await[3..], ["8 s-2 300 301"], "nor after a restart");

    refuses_what_was_decided_without_knowing(&store, log).await;
    careless_retries(&store, log).await;
    careful_retries(&store, log).await;
}

/// Each pending command: its event, the stream and both sums.
pub(super) async fn told(store: &impl ProcessManagerStore) -> Vec<String> {
    let pending = store.pending(100).await.expect("a read");
    let told = pending.iter().map(|command| {
        let tell: Tell = serde_json::from_str(command.body.get()).expect("a Tell");
        format!("{} {} {} {}", command.position, tell.stream, tell.sum, tell.all)
    });
    told.collect()
}

async fn parked(store: &impl ProcessManagerStore) -> Vec<(u64, Cause)> {
    let parked = store.left_out().await.expect("a read").parked;
    parked
        .iter()
        .map(|parked| (parked.position.get(), parked.cause))
        .collect()
}

/// Whoever has left out something else has decided on another state.
async fn refuses_what_was_decided_without_knowing<S: ProcessManagerStore>(store: &S, log: &impl LogStore) {
    let last = log.head().await.expect("a head");
    let advance = Advance {
        from: last,
        to: last,
        commands: &[],
        parked: &[],
        left_out: &[2, 4, 5].map(Position::new),
    };
    let advanced = store.advance(advance, Lock::Wait).await.expect("an answer");
    assert_eq!(advanced, Advanced::Elsewhere(last), "position 6 is parked, too");
    let take_up = TakeUp {
        positions: &[Position::new(2)],
        commands: &[],
        left_out: &[],
    };
    assert!(!store.take_up(take_up).await.expect("an answer"));
    assert_eq!(parked(store).await.len(), 4, "nothing is done");
}

async fn careless_retries<S: ProcessManagerStore, L: LogStore + Clone>(store: &S, log: &L) {
    let parking = ManagerParking::<Tally<false>, _, _>::new(store.clone(), log.clone());
    for (tries, dry_run) in [(0, true), (1, false)] {
        let retried = parking.retry(Selection::All, dry_run).await.expect("an answer");
        let at = |retried: &Retried| match &retried.outcome {
            RetryOutcome::Failed { position, .. } => position.get(),
            other => panic!("{other:?}"),
        };
        assert_eq!(retried.iter().map(at).collect::<Vec<_>>(), [2, 5]);
        let listed = parking.list().await.expect("a list");
        let counted: Vec<u32> = listed.iter().map(|parked| parked.tries).collect();
        assert_eq!(counted, [tries, 0, tries, 0], "a dry run changes nothing");
    }
    assert_eq!(told(store).await.len(), 4, "nothing is stored");
}

async fn careful_retries<S: ProcessManagerStore, L: LogStore + Clone>(store: &S, log: &L) {
    let mut careful = running::<true, _, _>(store, log);
    careful.catch_up(Lock::Wait).await.expect("it starts");
    let parking = ManagerParking::<Tally<true>, _, _>::new(store.clone(), log.clone());
    let one = Selection::At(Position::new(4));
    let retried = |positions: &[u64], outcome| {
        let positions = positions.iter().copied().map(Position::new).collect();
        vec![Retried { positions, outcome }]
    };
    let would = parking.retry(one, true).await.expect("an answer");
    assert_eq!(would, retried(&[2, 4], RetryOutcome::WouldApply));
    assert_eq!(parked(store).await.len(), 4);
    let applied = parking.retry(one, false).await.expect("an answer");
    assert_eq!(applied, retried(&[2, 4], RetryOutcome::Applied));
    let told_now = told(store).await;
    let expected = ["1 s-1 1 1", "2 s-1 11 11", "3 s-2 100 101", "4 s-1 1011 1111"];
    assert_eq!(told_now[..4], expected, "each on the state as of it");

    // It was running before the retry, which was another's.
    record::<ItemsLog>(log, &[item("s-1", "one", 1)]).await;
    careful.catch_up(Lock::Wait).await.expect("it goes on");
    let last = told(store).await.pop();
    assert_eq!(
        last.as_deref(),
        Some("9 s-1 1012 1312"),
        "what was retried is in the state"
    );

    let discarded = parking
        .discard(Position::new(5), "a typing error")
        .await
        .expect("it is parked");
    assert_eq!(discarded.position, Position::new(5));
    assert!(
        parking.discard(Position::new(5), "again").await.is_err(),
        "parked no more"
    );
    let applied = parking
        .retry(Selection::Cause(Cause::Behind), false)
        .await
        .expect("an answer");
    assert_eq!(applied, retried(&[6], RetryOutcome::Applied));
    // It hears of this one by looking, before there is anything to apply.
    careful.look(None).await.expect("it looks");
    record::<ItemsLog>(log, &[item("s-3", "one", 1)]).await;
    careful.catch_up(Lock::Wait).await.expect("it goes on");
    let told = told(store).await;
    assert!(
        told.contains(&"6 s-3 1 1112".to_owned()),
        "without what was discarded: {told:?}"
    );
    assert_eq!(told.last().map(String::as_str), Some("10 s-3 2 1314"));
    let left_out = store.left_out().await.expect("a read");
    assert_eq!((left_out.parked.len(), left_out.discarded), (0, vec![Position::new(5)]));
}
