//! What older and newer releases make of an event that only the newer ones know.

use callboard::contract::{Item, ItemEvent, Items, ItemsLog, OlderEvent, OlderLog};
use callboard::parking::{Cause, Parking};
use callboard::subscription::{Lock, Runner};
use callboard::{Projection, Recorded};
use callboard_postgres::{PgParking, PgProjection};

use crate::common::{event, fact, items_database, items_log, put, record, shelves};

/// The items of a release that declares whether each stream has rows of its own.
struct Release<const OLDER: bool, const BY_STREAM: bool>;

type ByStream<const OLDER: bool> = Release<OLDER, true>;
type Keyed<const OLDER: bool> = Release<OLDER, false>;

macro_rules! release {
    ($older:literal, $log:ty, $event:ty, |$of:ident| $item:expr) => {
        impl<const BY_STREAM: bool> Projection for Release<$older, BY_STREAM> {
            type Log = $log;
            type Key = (String, i64);
            type Row = Item;
            const NAME: &'static str = Items::NAME;
            const VERSION: u32 = Items::VERSION;
            const TABLE: &'static str = Items::TABLE;
            const KEY: &'static [&'static str] = Items::KEY;
            const KEYED_BY_STREAM: bool = BY_STREAM;

            fn keys($of: &$event) -> Vec<Self::Key> {
                Items::keys($item)
            }

            fn fold(key: &Self::Key, row: Option<Item>, event: &Recorded<$event>) -> Option<Item> {
                let $of = &event.event;
                Items::fold(key, row, &event.with($item.clone()))
            }
        }
    };
}

release!(true, OlderLog, OlderEvent, |event| &event.0);
release!(false, ItemsLog, ItemEvent, |event| event);

fn removed(stream: &str, version: u64) -> callboard::log::NewEvent {
    let fact = callboard::contract::ItemFact {
        shelf: stream.into(),
        ..fact("", 0)
    };
    event(stream, version, &ItemEvent::Removed(fact))
}

#[tokio::test]
async fn an_older_release_parks_the_stream_of_an_event_that_it_does_not_know_and_a_newer_one_takes_it_up() {
    let database = items_database().await;
    let connections = database.connect();
    let log = items_log(&connections);
    let events = vec![
        put("a", 1, "old"),
        removed("a", 2),
        put("a", 3, "new"),
        put("b", 1, "free"),
    ];
    record(&log, events).await;
    let mut older = Runner::new(PgProjection::<ByStream<true>>::new(&connections), log.clone());
    older.catch_up(Lock::Wait).await.expect("it stands aside for it");
    assert_eq!(shelves(&database).await, ["a old 1", "b free 1"]);
    let seen = older.look(None).await.expect("it looks");
    older.look(seen).await.expect("it looks");
    assert_eq!(older.status().borrow().parked, 2, "it never skips");
    let parked = PgParking::<ByStream<true>>::new(&connections)
        .list()
        .await
        .expect("a list");
    assert_eq!(parked[0].cause, Cause::Undecodable);
    assert!(parked[0].reason.contains("ItemRemoved"), "{}", parked[0].reason);

    let mut newer = Runner::new(PgProjection::<ByStream<false>>::new(&connections), log);
    newer.catch_up(Lock::Wait).await.expect("it goes on");
    newer.look(None).await.expect("it looks");
    assert_eq!(newer.status().borrow().parked, 0);
    assert_eq!(
        shelves(&database).await,
        ["a new 1", "b free 1"],
        "in order: put, removed, put"
    );
}

#[tokio::test]
async fn what_a_newer_release_can_decode_and_not_apply_is_not_tried_again_and_again() {
    let database = items_database().await;
    let connections = database.connect();
    let log = items_log(&connections);
    record(&log, vec![removed("a", 1), put("a", 2, "poison")]).await;
    let mut older = Runner::new(PgProjection::<ByStream<true>>::new(&connections), log.clone());
    older.catch_up(Lock::Wait).await.expect("it stands aside for it");
    let mut newer = Runner::new(PgProjection::<ByStream<false>>::new(&connections), log);
    newer.catch_up(Lock::Wait).await.expect("it goes on");
    for _ in 0..3 {
        newer.look(None).await.expect("it looks");
    }
    let parked = PgParking::<ByStream<false>>::new(&connections)
        .list()
        .await
        .expect("a list");
    let tries: Vec<_> = parked.iter().map(|parked| (parked.cause, parked.tries)).collect();
    assert_eq!(tries, [(Cause::Undecodable, 0), (Cause::Failed, 1)]);
}

#[tokio::test]
async fn a_projection_that_an_older_release_halts_is_taken_up_by_newer_code_which_the_older_one_never_halts() {
    let database = items_database().await;
    let connections = database.connect();
    let log = items_log(&connections);
    record(&log, vec![put("a", 1, "old"), removed("a", 2), put("a", 3, "new")]).await;
    let state = async || database.texts("select state from callboard.subscribers").await;
    let mut older = Runner::new(PgProjection::<Keyed<true>>::new(&connections), log.clone());
    for _ in 0..2 {
        older.catch_up(Lock::Wait).await.expect_err("it can't go on");
        assert_eq!(state().await, ["halted"], "the same code needn't try");
    }
    assert_eq!(shelves(&database).await, ["a old 1"]);
    let mut newer = Runner::new(PgProjection::<Keyed<false>>::new(&connections), log.clone());
    newer.catch_up(Lock::Wait).await.expect("it goes on by itself");
    assert_eq!(shelves(&database).await, ["a new 1"]);
    let mut older = Runner::new(PgProjection::<Keyed<true>>::new(&connections), log);
    older.catch_up(Lock::Wait).await.expect("it stands behind it");
    assert_eq!(state().await, ["running"]);
}
