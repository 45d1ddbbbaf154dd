//! A projection of the tests' events whose rows show how often and in which order each was applied.

use std::collections::{BTreeMap, HashMap};

use callboard::memory::{MemoryLog, MemoryProjection};
use callboard::projection::fold;
use callboard::subscription::{Delivery, Feed, Foreign, RunError, Runner};
use callboard::view::ViewStore;
use callboard::{
    DecodeError, Event, EventType, Json, Log, OnFailure, Page, Position, Projection, RawEvent, Recorded, to_json,
};
use callboard_rabbitmq::QueueFeed;
use serde::{Deserialize, Serialize};

use super::{LOG, soon};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Counted {
    number: u64,
    text: String,
}

impl Event for Counted {
    const TYPES: &'static [EventType] = &[EventType::new("ItemCounted", 2)];

    fn event_type(&self) -> EventType {
        Self::TYPES[0]
    }

    fn encode(&self) -> Result<Json, serde_json::Error> {
        to_json(self)
    }

    fn decode(raw: &RawEvent) -> Result<Self, DecodeError> {
        raw.data()
    }
}

pub struct Items;

impl Log for Items {
    const NAME: &'static str = LOG;
    type Event = Counted;
}

pub struct Tally;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TallyRow {
    key: u64,
    events: u64,
    trace: u64,
}

impl Projection for Tally {
    type Log = Items;
    type Key = u64;
    type Row = TallyRow;

    const NAME: &'static str = "tally";
    const VERSION: u32 = 1;
    const TABLE: &'static str = "items.tally";
    const KEY: &'static [&'static str] = &["key"];
    const ON_FAILURE: OnFailure = OnFailure::Halt;

    fn keys(event: &Counted) -> Vec<u64> {
        vec![event.number % 3]
    }

    fn fold(key: &u64, row: Option<TallyRow>, event: &Recorded<Counted>) -> Option<TallyRow> {
        let (events, trace) = row.map_or((0, 0), |row| (row.events, row.trace));
        Some(TallyRow {
            key: *key,
            events: events + 1,
            trace: trace.wrapping_mul(31).wrapping_add(event.position.get()),
        })
    }
}

pub type TallyRunner = Runner<MemoryProjection<Tally>, MemoryLog>;

/// A subscriber on a log, and the view that it keeps.
pub struct Tallied {
    pub runner: TallyRunner,
    view: MemoryProjection<Tally>,
}

impl Tallied {
    pub fn of(log: &MemoryLog) -> Self {
        let view = MemoryProjection::new();
        Self {
            runner: Runner::new(view.clone(), log.clone()),
            view,
        }
    }

    /// What a supervisor does with what a feed brings.
    pub async fn step(&mut self, feed: &mut QueueFeed) -> Result<Vec<Foreign>, RunError> {
        let deliveries: Vec<Delivery> = soon("a delivery", feed.next()).await.expect("the feed lives");
        let foreign = self.runner.offer(&deliveries).await?;
        feed.settle(&foreign).await.expect("it settles");
        Ok(foreign)
    }

    /// Steps until everything up to here is applied.
    pub async fn reach(&mut self, feed: &mut QueueFeed, position: u64) {
        while self.position() < Position::new(position) {
            let foreign = self.step(feed).await.expect("nothing is a reason to halt");
            assert_eq!(foreign, [], "all of it is ours");
        }
    }

    pub fn position(&self) -> Position {
        self.runner.status().borrow().checkpoint.position
    }

    /// Its rows are the fold of these events.
    pub async fn assert_rows(&self, events: &[Recorded]) {
        let page = Page {
            limit: usize::MAX,
            ..Page::default()
        };
        let rows = self.view.page(&page).await.expect("a view in memory can be read");
        let decoded: Vec<_> = events.iter().map(|event| event.decode().expect("ours")).collect();
        let folded = fold::<Tally>(HashMap::new(), &decoded).expect("no panic");
        let folded: BTreeMap<u64, TallyRow> = folded.into_iter().filter_map(|(key, row)| Some((key, row?))).collect();
        assert_eq!(rows, folded.into_values().collect::<Vec<_>>());
    }
}
