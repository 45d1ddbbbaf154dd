//! Inline projections of which one stands behind another: it is folded after it, in the append's transaction
//! and whenever both are brought to the head.

mod common;

use callboard::contract::{ItemEvent, Items, ItemsLog};
use callboard::projection::AfterError;
use callboard::{Projection, Recorded};
use callboard_postgres::testing::TestDatabase;
use callboard_postgres::{Database, InlineProjections, PgLog, pause_subscriber, resume_subscriber};
use common::{items_database, items_log, put, record};
use serde::{Deserialize, Serialize};

/// How much is on each shelf. It stands behind the items.
struct Shelves;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Shelf {
    shelf: String,
    puts: i64,
}

impl Projection for Shelves {
    type Log = ItemsLog;
    type Key = String;
    type Row = Shelf;
    const NAME: &'static str = "shelves";
    const VERSION: u32 = 1;
    const TABLE: &'static str = "contract.shelves";
    const KEY: &'static [&'static str] = &["shelf"];
    const AFTER: &'static [&'static str] = &[Items::NAME];

    fn keys(event: &ItemEvent) -> Vec<String> {
        match event {
            ItemEvent::Put(fact) | ItemEvent::Removed(fact) => vec![fact.shelf.clone()],
        }
    }

    fn fold(shelf: &String, row: Option<Shelf>, _: &Recorded<ItemEvent>) -> Option<Shelf> {
        let (shelf, puts) = (shelf.clone(), row.map_or(0, |row| row.puts) + 1);
        Some(Shelf { shelf, puts })
    }
}

/// The second view's table, and a journal of who was written when and in which transaction. Checkpoints are
/// written to, whatever becomes of the rows.
const JOURNAL: &str = r#"
    create table contract.shelves (shelf text collate "C" primary key, puts bigint not null);
    grant select, insert, update, delete on contract.shelves to callboard_service;
    create table contract.journal (
        place bigint generated always as identity, subscriber text, position bigint,
        of_transaction xid8 default pg_current_xact_id()
    );
    create function contract.note() returns trigger language plpgsql security definer as $$
    begin
        insert into contract.journal (subscriber, position) values (new.subscriber, new.position);
        return null;
    end $$;
    create trigger note after insert or update of position on callboard.checkpoints
        for each row when (new.position > 0) execute function contract.note();
"#;

async fn journalled() -> TestDatabase {
    let database = items_database().await;
    database.execute(JOURNAL).await;
    database
}

/// The dependent one is named first.
fn unsorted(connections: &Database) -> InlineProjections<ItemsLog> {
    InlineProjections::new(connections)
        .projection::<Shelves>()
        .projection::<Items>()
}

fn sorted(connections: &Database) -> InlineProjections<ItemsLog> {
    let mut projections = unsorted(connections);
    projections.sort().expect("there is an order");
    projections
}

/// Who moved to where since it was asked last, in order; each transaction in a list of its own.
async fn moves(database: &TestDatabase) -> Vec<Vec<String>> {
    let rows = "select string_agg(subscriber || ' ' || position, ',' order by place) \
                from contract.journal group by of_transaction order by min(place)";
    let moves = database.texts(rows).await;
    database.execute("truncate contract.journal").await;
    moves
        .iter()
        .map(|row| row.split(',').map(str::to_owned).collect())
        .collect()
}

async fn rows(database: &TestDatabase) -> Vec<String> {
    let both = "select s.shelf || ' ' || s.puts || ' ' || i.weight from contract.shelves s \
                join contract.items i on i.shelf = s.shelf order by 1";
    database.texts(both).await
}

#[tokio::test]
async fn what_stands_behind_another_is_folded_after_it_in_the_appends_transaction() {
    let database = journalled().await;
    let connections = database.connect();
    let projections = sorted(&connections);
    projections.start().await.expect("they reach the head");
    let log = PgLog::with_inline(&connections, projections);
    assert_eq!(moves(&database).await, Vec::<Vec<String>>::new());
    for version in 1..=3 {
        record(&log, vec![put("x", version, "plain")]).await;
        let both = [format!("items {version}"), format!("shelves {version}")];
        assert_eq!(moves(&database).await, [both], "one transaction, in order");
    }
    assert_eq!(rows(&database).await, ["x 3 3"]);
}

#[tokio::test]
async fn and_after_it_where_both_are_behind_within_the_append() {
    let database = journalled().await;
    let connections = database.connect();
    let projections = sorted(&connections);
    projections.start().await.expect("they reach the head");
    let log = PgLog::with_inline(&connections, projections);
    // Somebody without inline projections wrote meanwhile.
    record(
        &items_log(&connections),
        vec![put("x", 1, "before"), put("x", 2, "before")],
    )
    .await;
    record(&log, vec![put("x", 3, "now")]).await;
    let [in_append] = &moves(&database).await[..] else {
        panic!("one transaction")
    };
    let of = |name: &str| -> Vec<usize> {
        let places = in_append.iter().enumerate();
        places
            .filter(|(_, moved)| moved.starts_with(name))
            .map(|(place, _)| place)
            .collect()
    };
    let (items, shelves) = (of("items"), of("shelves"));
    assert!(!items.is_empty() && items.last() < shelves.first(), "{in_append:?}");
    assert_eq!(in_append.last().map(String::as_str), Some("shelves 3"));
    assert_eq!(rows(&database).await, ["x 3 3"]);
}

#[tokio::test]
async fn before_the_first_append_each_is_brought_to_the_head_behind_those_that_it_waits_for() {
    let database = journalled().await;
    let connections = database.connect();
    let projections = sorted(&connections);
    projections.start().await.expect("they reach the head");
    record(
        &items_log(&connections),
        vec![put("x", 1, "before"), put("y", 1, "before")],
    )
    .await;
    moves(&database).await;
    sorted(&connections).start().await.expect("they reach the head");
    assert_eq!(moves(&database).await.concat(), ["items 2", "shelves 2"]);
    // Far behind, and paused meanwhile: done without the log's lock, and before the append goes on.
    for name in ["items", "shelves"] {
        let paused = pause_subscriber(&connections, "items", name, "for a while").await;
        paused.expect("it is paused");
    }
    let log = PgLog::with_inline(&connections, projections);
    record(
        &log,
        (2..=6_001).map(|version| put("x", version, "meanwhile")).collect(),
    )
    .await;
    assert_eq!(
        moves(&database).await,
        Vec::<Vec<String>>::new(),
        "they are passed over"
    );
    for name in ["items", "shelves"] {
        let resumed = resume_subscriber(&connections, "items", name).await;
        resumed.expect("it is resumed");
    }
    record(&log, vec![put("x", 6_002, "now")]).await;
    let moved = moves(&database).await;
    let last = moved.last().expect("the append");
    assert_eq!(last, &["items 6003", "shelves 6003"], "{moved:?}");
    let caught_up = moved[..moved.len() - 1].concat();
    let turn = caught_up.iter().position(|moved| moved.starts_with("shelves"));
    let turn = turn.expect("both were brought to the head");
    assert_eq!(caught_up[turn - 1], "items 6002", "{caught_up:?}");
    assert!(
        caught_up[turn..].iter().all(|moved| moved.starts_with("shelves")),
        "{caught_up:?}"
    );
    assert_eq!(rows(&database).await, ["x 6002 6002", "y 1 1"]);
}

#[tokio::test]
async fn what_has_no_checkpoint_is_built_in_that_order_too() {
    let database = journalled().await;
    let connections = database.connect();
    record(
        &items_log(&connections),
        vec![put("x", 1, "before"), put("x", 2, "before")],
    )
    .await;
    sorted(&connections).start().await.expect("they reach the head");
    let moved = moves(&database).await.concat();
    let first_of = |name: &str| moved.iter().position(|moved| moved.starts_with(name));
    let last_of_items = moved.iter().rposition(|moved| moved.starts_with("items"));
    assert!(
        last_of_items.is_some() && last_of_items < first_of("shelves"),
        "{moved:?}"
    );
    assert_eq!(rows(&database).await, ["x 2 2"]);
}

#[tokio::test]
async fn projections_that_wait_for_what_is_not_there_are_refused() {
    let database = TestDatabase::create().await;
    let mut alone = InlineProjections::<ItemsLog>::new(&database.connect()).projection::<Shelves>();
    let unknown = AfterError::Unknown {
        projection: "shelves",
        after: "items",
    };
    assert_eq!(alone.sort(), Err(unknown));
}
