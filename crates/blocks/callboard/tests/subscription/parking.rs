//! Parking, on random runs: what goes on, what waits, and that a retry makes it whole.

use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};

use callboard::contract::{Item, ItemEvent, ItemFact, Items, ItemsLog};
use callboard::log::LogReader;
use callboard::memory::{MemoryLog, MemoryProjection};
use callboard::parking::{Cause, ParkedEvent, Parking, RetryOutcome, Selection, groups};
use callboard::projection::fold;
use callboard::spec::recorded;
use callboard::subscription::{Lock, Mode, Runner, Subscriber};
use callboard::view::ViewStore;
use callboard::{OnFailure, Page, Position, Projection, Recorded};
use proptest::prelude::*;

thread_local! {
    /// Whether the code is a release that can fold everything.
    static MENDED: Cell<bool> = const { Cell::new(false) };
}

/// The items, each row with the path of positions that made it: order, gaps and repeats all show.
struct Paths;

impl Projection for Paths {
    type Log = ItemsLog;
    type Key = (String, i64);
    type Row = Item;
    const NAME: &'static str = "paths";
    const VERSION: u32 = 1;
    const TABLE: &'static str = "contract.paths";
    const KEY: &'static [&'static str] = Items::KEY;

    fn keys(event: &ItemEvent) -> Vec<Self::Key> {
        match event {
            // A removal touches its neighbour, too: one event, two rows.
            ItemEvent::Removed(fact) => vec![(fact.shelf.clone(), 1), (format!("{}'", fact.shelf), 1)],
            ItemEvent::Put(_) => Items::keys(event),
        }
    }

    fn fold(key: &Self::Key, row: Option<Item>, event: &Recorded<ItemEvent>) -> Option<Item> {
        let (ItemEvent::Put(fact) | ItemEvent::Removed(fact)) = &event.event;
        assert!(MENDED.get() || fact.label != "poison", "poison");
        let before = row.and_then(|row| row.note).unwrap_or_default();
        Some(Item {
            shelf: key.0.clone(),
            number: key.1,
            label: String::new(),
            weight: 0,
            price: "0".into(),
            note: Some(format!("{before} {}", event.position)),
            changed_at: event.recorded_at,
        })
    }
}

fn item((stream, shelf, removed, poison): (u8, u8, bool, bool)) -> (String, ItemEvent) {
    let fact = ItemFact {
        shelf: format!("{shelf}"),
        number: 1,
        label: if poison { "poison" } else { "" }.into(),
        weight: 0,
        price: "0".into(),
        note: None,
    };
    let event = if removed {
        ItemEvent::Removed(fact)
    } else {
        ItemEvent::Put(fact)
    };
    (format!("s-{stream}"), event)
}

type Rows = BTreeMap<(String, i64), String>;

async fn rows(view: &MemoryProjection<Paths>) -> Rows {
    let page = Page {
        limit: usize::MAX,
        ..Page::default()
    };
    let rows = view.page(&page).await.expect("a page");
    let path = |row: Item| ((row.shelf, row.number), row.note.unwrap_or_default());
    rows.into_iter().map(path).collect()
}

fn plain(events: &[Recorded<ItemEvent>]) -> Rows {
    let folded = fold::<Paths>(std::collections::HashMap::new(), events).expect("no panic");
    let path = |(key, row): (_, Option<Item>)| Some((key, row?.note.unwrap_or_default()));
    folded.into_iter().filter_map(path).collect()
}

/// The rule in its plainest form: who may go on, and who must wait.
fn free(events: &[Recorded<ItemEvent>]) -> (Vec<Recorded<ItemEvent>>, Vec<u64>) {
    let mut blocked: HashSet<String> = HashSet::new();
    let (mut free, mut parked) = (Vec::new(), Vec::new());
    for event in events {
        let (ItemEvent::Put(fact) | ItemEvent::Removed(fact)) = &event.event;
        let mut meets: Vec<String> = Paths::keys(&event.event)
            .iter()
            .map(|(shelf, _)| format!("row {shelf}"))
            .collect();
        meets.push(event.stream.to_string());
        if fact.label == "poison" || meets.iter().any(|place| blocked.contains(place)) {
            blocked.extend(meets);
            parked.push(event.position.get());
        } else {
            free.push(event.clone());
        }
    }
    (free, parked)
}

fn positions(parked: &[ParkedEvent]) -> Vec<u64> {
    parked.iter().map(|parked| parked.position.get()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_is_parked_nothing_passes_it_and_a_retry_makes_the_rows_of_a_fold_that_never_failed(
        facts in prop::collection::vec((0..4_u8, 0..4_u8, prop::bool::weighted(0.2), prop::bool::weighted(0.15)), 1..60),
        runs in prop::collection::vec(1..9_usize, 1..60),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 60),
    ) {
        MENDED.set(false);
        let runtime = tokio::runtime::Builder::new_current_thread().start_paused(true).enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let items: Vec<_> = facts.into_iter().map(item).collect();
            let items: Vec<_> = items.iter().map(|(stream, event)| (stream.as_str(), event.clone())).collect();
            let events = recorded::<ItemsLog>(&items);
            let (log, raw) = log_of(&events).await;
            let view = MemoryProjection::<Paths>::new();
            let mut runner = Runner::new(view.clone(), log);
            let mut rest = &raw[..];
            for length in runs {
                let (run, more) = rest.split_at(length.min(rest.len()));
                runner.offer(&crate::delivered(run)).await.expect("it goes on");
                rest = more;
            }
            runner.catch_up(Lock::Wait).await.expect("it goes on");

            let (goes_on, waits) = free(&events);
            assert_eq!(rows(&view).await, plain(&goes_on));
            let parked = view.list().await.expect("a list");
            assert_eq!(positions(&parked), waits);

            // A mended release; the groups in any order.
            MENDED.set(true);
            for pick in picks {
                let parked = view.list().await.expect("a list");
                if parked.is_empty() {
                    break;
                }
                let at = parked[pick.index(parked.len())].position;
                let retried = view.retry(Selection::At(at), false).await.expect("an answer");
                assert_eq!(retried.len(), 1);
                assert_eq!(retried[0].outcome, RetryOutcome::Applied);
            }
            assert_eq!(view.list().await.expect("a list"), []);
            assert_eq!(rows(&view).await, plain(&events));
        });
    }
}

/// A log with these very events.
async fn log_of(events: &[Recorded<ItemEvent>]) -> (MemoryLog, Vec<Recorded>) {
    let log = MemoryLog::new();
    let new = |event: &Recorded<ItemEvent>| callboard::log::NewEvent {
        id: event.id,
        stream: event.stream.clone(),
        version: event.version,
        event_type: callboard::Event::event_type(&event.event).name,
        schema_version: 1,
        data: callboard::Event::encode(&event.event).expect("plain data"),
        metadata: event.metadata.clone(),
    };
    let append = callboard::log::Append {
        events: events.iter().map(new).collect(),
        ..callboard::log::Append::default()
    };
    callboard::log::LogStore::append(&log, &append)
        .await
        .expect("an answer");
    let raw = log.read(Position::START, usize::MAX).await.expect("a slice").events;
    (log, raw)
}

#[tokio::test(start_paused = true)]
async fn a_group_is_everything_that_blocks_one_another_over_any_number_of_steps() {
    let parked = |position, blocks: &[&str]| ParkedEvent {
        position: Position::new(position),
        stream: callboard::StreamName::of("s", position),
        blocks: blocks
            .iter()
            .map(|block| callboard::parking::Block::stored(block))
            .collect(),
        cause: if position < 3 { Cause::Failed } else { Cause::Behind },
        reason: String::new(),
        parked_at: jiff::Timestamp::UNIX_EPOCH,
        tries: 0,
    };
    let all = [
        parked(1, &["a", "b"]),
        parked(2, &["x"]),
        parked(3, &["c", "d"]),
        parked(4, &["x", "y"]),
        parked(5, &["d", "b"]),
    ];
    let in_groups = |which| -> Vec<Vec<u64>> {
        let positions = |group: Vec<&ParkedEvent>| group.iter().map(|parked| parked.position.get()).collect();
        groups(&all, which).into_iter().map(positions).collect()
    };
    assert_eq!(in_groups(Selection::All), [vec![1, 3, 5], vec![2, 4]]);
    assert_eq!(in_groups(Selection::At(Position::new(3))), [vec![1, 3, 5]]);
    assert_eq!(in_groups(Selection::Cause(Cause::Undecodable)), Vec::<Vec<u64>>::new());
}

/// The paths of a release that would rather stop.
struct Halting;

impl Projection for Halting {
    type Log = ItemsLog;
    type Key = (String, i64);
    type Row = Item;
    const NAME: &'static str = "halting";
    const VERSION: u32 = 1;
    const TABLE: &'static str = "contract.halting";
    const KEY: &'static [&'static str] = Items::KEY;
    const ON_FAILURE: OnFailure = OnFailure::Halt;

    fn keys(event: &ItemEvent) -> Vec<Self::Key> {
        Paths::keys(event)
    }

    fn fold(key: &Self::Key, row: Option<Item>, event: &Recorded<ItemEvent>) -> Option<Item> {
        Paths::fold(key, row, event)
    }
}

#[tokio::test(start_paused = true)]
async fn the_policy_decides_whether_an_event_that_fails_is_parked_or_halts() {
    let events = [(0, 0, false, false), (0, 0, false, true), (1, 1, false, false)].map(item);
    let events: Vec<_> = events
        .iter()
        .map(|(stream, event)| (stream.as_str(), event.clone()))
        .collect();
    let (log, raw) = log_of(&recorded::<ItemsLog>(&events)).await;

    let mut parks = Runner::new(MemoryProjection::<Paths>::new(), log.clone());
    parks.offer(&crate::delivered(&raw)).await.expect("it goes on");
    parks.look(None).await.expect("it looks");
    let status = parks.status().borrow().clone();
    assert_eq!((status.checkpoint.position, status.parked), (Position::new(3), 1));

    let mut view = MemoryProjection::<Halting>::new();
    let mut halts = Runner::new(view.clone(), log);
    halts.offer(&crate::delivered(&raw)).await.expect_err("it stops");
    assert!(matches!(&halts.status().borrow().mode, Mode::Halted(reason) if reason.contains("position 2")));
    view.checkpoint().await.expect_err("it stays halted");
}
