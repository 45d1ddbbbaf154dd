//! What every view store must do, shown on a view of its own.

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

use crate::event::{DecodeError, Event, EventType, Json, Log, RawEvent, Recorded, to_json};
use crate::names::Position;
use crate::projection::Projection;
use crate::spec::recorded;
use crate::subscription::{Applied, Lock, Subscriber};
use crate::view::{Page, ViewStore};

/// The log of the suite's own events.
pub struct ItemsLog;

impl Log for ItemsLog {
    const NAME: &'static str = "items";
    type Event = ItemEvent;
}

/// What happens to items.
#[derive(Debug, Clone, PartialEq)]
pub enum ItemEvent {
    /// An item has these values now.
    Put(ItemFact),
    /// An item is gone.
    Removed(ItemFact),
}

/// An item's values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemFact {
    /// The first half of the key.
    pub shelf: String,
    /// The second half of the key.
    pub number: i64,
    /// A text.
    pub label: String,
    /// A number to order by.
    pub weight: i64,
    /// An exact decimal, as text.
    pub price: String,
    /// Maybe a text.
    pub note: Option<String>,
}

impl Event for ItemEvent {
    const TYPES: &'static [EventType] = &[EventType::new("ItemPut", 1), EventType::new("ItemRemoved", 1)];

    fn event_type(&self) -> EventType {
        Self::TYPES[usize::from(matches!(self, Self::Removed(_)))]
    }

    fn encode(&self) -> Result<Json, serde_json::Error> {
        match self {
            Self::Put(fact) | Self::Removed(fact) => to_json(fact),
        }
    }

    fn decode(raw: &RawEvent) -> Result<Self, DecodeError> {
        match &*raw.event_type {
            "ItemPut" => raw.data().map(Self::Put),
            "ItemRemoved" => raw.data().map(Self::Removed),
            _ => Err(raw.unknown()),
        }
    }
}

/// The suite's view: `contract.items (shelf text collate "C", number bigint, label text collate "C"
/// not null, weight bigint not null, price numeric not null, note text, changed_at timestamptz not
/// null, primary key (shelf, number))`. A label of `poison` makes the fold panic; one of `unstorable`
/// makes a price that no numeric column takes.
pub struct Items;

/// A row of the suite's view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// The first half of the key.
    pub shelf: String,
    /// The second half of the key.
    pub number: i64,
    /// A text.
    pub label: String,
    /// A number to order by.
    pub weight: i64,
    /// An exact decimal, as text.
    pub price: String,
    /// Maybe a text.
    pub note: Option<String>,
    /// When the event behind it was recorded.
    pub changed_at: jiff::Timestamp,
}

impl Projection for Items {
    type Log = ItemsLog;
    type Key = (String, i64);
    type Row = Item;
    const NAME: &'static str = "items";
    const VERSION: u32 = 1;
    const TABLE: &'static str = "contract.items";
    const KEY: &'static [&'static str] = &["shelf", "number"];

    fn keys(event: &ItemEvent) -> Vec<(String, i64)> {
        match event {
            ItemEvent::Put(fact) | ItemEvent::Removed(fact) => vec![(fact.shelf.clone(), fact.number)],
        }
    }

    fn fold(_: &(String, i64), row: Option<Item>, event: &Recorded<ItemEvent>) -> Option<Item> {
        match &event.event {
            ItemEvent::Removed(_) => None,
            ItemEvent::Put(fact) => {
                assert_ne!(fact.label, "poison", "poison");
                // The weight adds up, so that an event applied twice shows.
                let weight = row.map_or(0, |row| row.weight) + fact.weight;
                let price = if fact.label == "unstorable" {
                    "no number".into()
                } else {
                    fact.price.clone()
                };
                Some(Item {
                    shelf: fact.shelf.clone(),
                    number: fact.number,
                    label: fact.label.clone(),
                    weight,
                    price,
                    note: fact.note.clone(),
                    changed_at: event.recorded_at,
                })
            }
        }
    }
}

pub(super) fn put(shelf: &str, number: i64, label: &str, weight: i64, note: Option<&str>) -> (&'static str, ItemEvent) {
    let fact = ItemFact {
        shelf: shelf.into(),
        number,
        label: label.into(),
        weight,
        price: "12345678901234567.10".into(),
        note: note.map(Into::into),
    };
    ("item-1", ItemEvent::Put(fact))
}

fn removed(shelf: &str, number: i64) -> (&'static str, ItemEvent) {
    let (stream, ItemEvent::Put(fact) | ItemEvent::Removed(fact)) = put(shelf, number, "", 0, None);
    (stream, ItemEvent::Removed(fact))
}

/// Judges a view store: `subscriber` keeps the view and `view` reads it, both fresh. `record`
/// puts events into the log first, where the store checks that the log holds what it applies.
///
/// # Panics
/// When the store breaks the contract; the message says where.
pub async fn views<S, V, R>(mut subscriber: S, view: V, record: R)
where
    S: Subscriber<Log = ItemsLog>,
    V: ViewStore<Items>,
    R: AsyncFn(&[Recorded<ItemEvent>]),
{
    let events = recorded::<ItemsLog>(&[
        put("b", 2, "two", 10, None),
        put("a", 10, "ten", 30, Some("note")),
        put("a", 9, "nine", 20, None),
        put("Z", 1, "capital", 20, Some("note")),
        put("é", 1, "accent", 5, None),
        put("b", 3, "gone", 1, None),
        removed("b", 3),
        put("b", 2, "deux", 5, None),
    ]);
    record(&events).await;
    let start = subscriber.start().await.expect("it starts");
    assert_eq!(start.position, Position::START);
    assert_eq!(standing(&view).await, Position::START);
    assert!(
        view.page(&Page {
            limit: 10,
            ..Page::default()
        })
        .await
        .expect("a page")
        .is_empty()
    );

    apply(&mut subscriber, &events[..3], 3).await;
    apply(&mut subscriber, &events[1..5], 2).await;
    apply(&mut subscriber, &events[..2], 0).await;
    let not_next = subscriber.apply(&events[6..], Lock::Wait).await.expect("an answer");
    assert_eq!(
        not_next,
        Applied::NotNext {
            checkpoint: events[4].checkpoint()
        },
        "a gap is never applied"
    );
    apply(&mut subscriber, &events[5..], 3).await;
    assert_eq!(
        subscriber.checkpoint().await.expect("a checkpoint"),
        events[7].checkpoint()
    );
    assert_eq!(standing(&view).await, Position::new(8));

    reads(&view, &events).await;
    pages(&view).await;
    waits(&view).await;
}

async fn standing<V: ViewStore<Items>>(view: &V) -> Position {
    let standing = view.standing().await.expect("a standing");
    assert_eq!(standing.parked, 0);
    standing.position
}

async fn apply<S: Subscriber<Log = ItemsLog>>(subscriber: &mut S, events: &[Recorded<ItemEvent>], fresh: usize) {
    match subscriber.apply(events, Lock::Wait).await.expect("it applies") {
        Applied::Moved { events: count, .. } => assert_eq!(count, fresh, "each event once"),
        other => panic!("{other:?}"),
    }
}

async fn reads<V: ViewStore<Items>>(view: &V, events: &[Recorded<ItemEvent>]) {
    let row = view.get(&("b".into(), 2)).await.expect("a read").expect("the row");
    assert_eq!(
        row,
        Item {
            shelf: "b".into(),
            number: 2,
            label: "deux".into(),
            weight: 15,
            price: "12345678901234567.10".into(),
            note: None,
            changed_at: events[7].recorded_at,
        }
    );
    assert_eq!(view.get(&("b".into(), 3)).await.expect("a read"), None, "None deletes");
    assert_eq!(view.get(&("none".into(), 3)).await.expect("a read"), None);
}

async fn pages<V: ViewStore<Items>>(view: &V) {
    let keys = async |page: &Page| {
        let rows = view.page(page).await.expect("a page");
        rows.into_iter().map(|row| (row.shelf, row.number)).collect::<Vec<_>>()
    };
    let named = |keys: &[(&str, i64)]| {
        keys.iter()
            .map(|(shelf, number)| ((*shelf).to_owned(), *number))
            .collect::<Vec<_>>()
    };
    let all = Page {
        limit: 10,
        ..Page::default()
    };
    let in_order = named(&[("Z", 1), ("a", 9), ("a", 10), ("b", 2), ("é", 1)]);
    assert_eq!(keys(&all).await, in_order, "by the key's bytes and numbers");
    let by_weight = Page {
        order_by: Some("weight"),
        ..all.clone()
    };
    let heavy_last = named(&[("é", 1), ("b", 2), ("Z", 1), ("a", 9), ("a", 10)]);
    assert_eq!(keys(&by_weight).await, heavy_last, "by the column, then the key");
    for page in [&all, &by_weight] {
        let mut walked = Vec::new();
        let mut after = None;
        loop {
            let step = Page {
                limit: 2,
                after,
                ..page.clone()
            };
            let rows = view.page(&step).await.expect("a page");
            let Some(last) = rows.last() else { break };
            after = Some(step.cursor_of::<Items>(last));
            walked.extend(rows.into_iter().map(|row| (row.shelf, row.number)));
        }
        assert_eq!(walked, keys(page).await, "pages walk the whole view, each row once");
    }
    let noted = Page {
        equal: vec![("note", json!("note"))],
        ..all.clone()
    };
    assert_eq!(keys(&noted).await, named(&[("Z", 1), ("a", 10)]));
    let unnoted = Page {
        equal: vec![("note", json!(null)), ("shelf", json!("a"))],
        ..all.clone()
    };
    assert_eq!(keys(&unnoted).await, named(&[("a", 9)]));
    let weighed = Page {
        equal: vec![("weight", json!(20))],
        ..all
    };
    assert_eq!(keys(&weighed).await, named(&[("Z", 1), ("a", 9)]));
}

async fn waits<V: ViewStore<Items>>(view: &V) {
    let soon = Instant::now() + std::time::Duration::from_millis(50);
    assert_eq!(
        view.wait_for(Position::new(8), soon).await.expect("an answer").position,
        Position::new(8)
    );
    assert_eq!(
        view.wait_for(Position::new(9), soon).await.expect("an answer").position,
        Position::new(8),
        "too late is an answer"
    );
}
