//! What the tests share: a small log, its events, and ways to watch the server.

#![allow(dead_code, reason = "each test file uses a part")]

pub mod network;

use std::time::{Duration, Instant};

use callboard::contract::{Item, ItemEvent, ItemFact, Items, ItemsLog};
use callboard::log::{Append, AppendKey, Appended, IdempotencyKey, LogReader, LogStore, NewEvent};
use callboard::subscription::{Applied, Lock, Subscriber};
use callboard::{
    Checkpoint, Event, Log, Metadata, OnFailure, Position, Projection, Recorded, StreamName, Version, to_json,
};
use callboard_postgres::testing::TestDatabase;
use callboard_postgres::{Database, PgLog, PgProjection};
use uuid::Uuid;

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// A second log, whose events are items' too.
pub struct OtherLog;

impl Log for OtherLog {
    const NAME: &'static str = "other";
    type Event = ItemEvent;
}

/// `Items`, folded otherwise by a newer release.
pub struct NewerItems;

impl Projection for NewerItems {
    type Log = ItemsLog;
    type Key = (String, i64);
    type Row = Item;
    const NAME: &'static str = Items::NAME;
    const VERSION: u32 = 2;
    const TABLE: &'static str = Items::TABLE;
    const KEY: &'static [&'static str] = Items::KEY;
    const ON_FAILURE: OnFailure = OnFailure::Halt;

    fn keys(event: &ItemEvent) -> Vec<Self::Key> {
        Items::keys(event)
    }

    fn fold(key: &Self::Key, row: Option<Item>, event: &Recorded<ItemEvent>) -> Option<Item> {
        Items::fold(key, row, event).map(|row| Item {
            label: format!("new {}", row.label),
            ..row
        })
    }
}

/// The table of the contract's view.
pub const ITEMS_TABLE: &str = r#"
    create schema contract;
    create table contract.items (
        shelf text collate "C" not null, number bigint not null, label text collate "C" not null,
        weight bigint not null, price numeric not null, note text, changed_at timestamptz not null,
        primary key (shelf, number)
    );
    grant usage on schema contract to callboard_service;
    grant select, insert, update, delete on contract.items to callboard_service;
"#;

/// A database with the contract's table.
pub async fn items_database() -> TestDatabase {
    let database = TestDatabase::create().await;
    database.execute(ITEMS_TABLE).await;
    database
}

pub fn fact(label: &str, weight: i64) -> ItemFact {
    let price = "1.50".to_owned();
    ItemFact {
        shelf: "a".into(),
        number: 1,
        label: label.into(),
        weight,
        price,
        note: None,
    }
}

/// An event of stream `item-<stream>`.
pub fn event(stream: &str, version: u64, of: &ItemEvent) -> NewEvent {
    NewEvent {
        id: Uuid::now_v7(),
        stream: StreamName::of("item", stream),
        version: Version::new(version),
        event_type: of.event_type().name,
        schema_version: of.event_type().schema_version,
        data: of.encode().expect("plain data"),
        metadata: Metadata::default(),
    }
}

/// An event that puts the item `stream` on the shelf, with weight 1.
pub fn put(stream: &str, version: u64, label: &str) -> NewEvent {
    event(
        stream,
        version,
        &ItemEvent::Put(ItemFact {
            shelf: stream.into(),
            ..fact(label, 1)
        }),
    )
}

pub fn append(expected: Checkpoint, events: Vec<NewEvent>) -> Append {
    Append {
        expected,
        events,
        keys: Vec::new(),
    }
}

pub fn key(name: &str) -> AppendKey {
    AppendKey {
        key: IdempotencyKey {
            scope: "client:-".into(),
            key: name.into(),
        },
        fingerprint: [9; 32],
        receipt: Some(to_json(&serde_json::json!({"of": name})).expect("plain data")),
    }
}

pub async fn head(log: &PgLog) -> Checkpoint {
    log.head().await.expect("a head")
}

/// Appends at the head.
pub async fn record(log: &PgLog, events: Vec<NewEvent>) -> Checkpoint {
    let appended = log.append(&append(head(log).await, events)).await.expect("an answer");
    assert!(matches!(appended, Appended::Done { .. }), "{appended:?}");
    head(log).await
}

/// Everything in the log.
pub async fn all(log: &PgLog) -> Vec<Recorded> {
    let events = log.read(Position::START, 100_000).await.expect("a slice").events;
    assert!(
        events
            .iter()
            .zip(1..)
            .all(|(event, number)| event.position.get() == number),
        "gapless"
    );
    assert!(
        events.windows(2).all(|pair| pair[1].previous_id == pair[0].id),
        "one timeline"
    );
    events
}

/// Everything in the log, decoded.
pub async fn all_items(log: &PgLog) -> Vec<Recorded<ItemEvent>> {
    all(log)
        .await
        .iter()
        .map(|event| event.decode().expect("an item's event"))
        .collect()
}

/// Asks until the answer is yes; steps of 5 ms, with a deadline.
pub async fn eventually(what: &str, mut ask: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !ask().await {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// How many backends of this application name wait for a lock.
pub async fn waiting(database: &TestDatabase, application: &str) -> usize {
    let query = format!(
        "select pid::text from pg_stat_activity where datname = current_database() \
         and application_name = '{application}' and wait_event_type = 'Lock'"
    );
    database.texts(&query).await.len()
}

/// How many backends of this application name there are.
pub async fn backends(database: &TestDatabase, application: &str) -> usize {
    let query = format!(
        "select pid::text from pg_stat_activity \
         where datname = current_database() and application_name = '{application}'"
    );
    database.texts(&query).await.len()
}

/// Ends every backend of this application name.
pub async fn terminate(database: &TestDatabase, application: &str) {
    let query = format!(
        "select pg_terminate_backend(pid)::text from pg_stat_activity \
         where datname = current_database() and application_name = '{application}'"
    );
    assert!(
        !database.texts(&query).await.is_empty(),
        "somebody is there to be ended"
    );
}

/// The log of the contract's items.
pub fn items_log(database: &callboard_postgres::Database) -> PgLog {
    PgLog::new::<ItemsLog>(database)
}

/// A log with so many events, of as many shelves, and its projection at the start.
pub async fn filled(database: &TestDatabase, events: usize) -> (Database, PgLog, PgProjection<Items>) {
    let connections = database.connect();
    let log = items_log(&connections);
    let shelves = (1..=events).map(|number| put(&format!("s{number}"), 1, "plain"));
    record(&log, shelves.collect()).await;
    let projection = PgProjection::<Items>::new(&connections);
    (connections, log, projection)
}

/// As [`filled`], and the projection has applied all of it.
pub async fn applied(database: &TestDatabase, events: usize) -> (Database, PgLog, PgProjection<Items>) {
    let (connections, log, mut projection) = filled(database, events).await;
    projection.start().await.expect("it starts");
    assert_eq!(apply_all(&mut projection, &log).await, events);
    (connections, log, projection)
}

/// The rows of the contract's table.
pub async fn shelves(database: &TestDatabase) -> Vec<String> {
    database
        .texts("select shelf || ' ' || label || ' ' || weight from contract.items order by shelf")
        .await
}

/// Applies the whole log.
pub async fn apply_all<P: Projection<Log = ItemsLog>>(projection: &mut PgProjection<P>, log: &PgLog) -> usize {
    match projection
        .apply(&all_items(log).await, Lock::Wait)
        .await
        .expect("it applies")
    {
        Applied::Moved { events, .. } => events,
        other => panic!("{other:?}"),
    }
}

/// The fold of the whole log, in memory, as [`shelves`] shows it.
pub async fn folded<P: Projection<Log = ItemsLog, Row = Item>>(log: &PgLog) -> Vec<String> {
    let rows = callboard::projection::fold::<P>(std::collections::HashMap::new(), &all_items(log).await);
    let rows = rows.expect("it folds").into_values().flatten();
    let mut shown: Vec<String> = rows
        .map(|row| format!("{} {} {}", row.shelf, row.label, row.weight))
        .collect();
    shown.sort();
    shown
}
