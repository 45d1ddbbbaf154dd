//! Large events: what a reader holds at once is bounded by bytes, and nothing is left out.

mod common;

use callboard::contract::{ItemEvent, ItemFact, Items};
use callboard::log::{LockedLog, LogReader, LogStore, READ_MAX_BYTES};
use callboard::subscription::{Lock, Runner};
use callboard::{Position, StreamName, Version};
use callboard_postgres::PgProjection;
use common::{event, fact, items_database, items_log, record, shelves};

const COUNT: u64 = 60;
const BYTES: usize = 200 * 1024;

#[tokio::test]
async fn a_read_of_large_events_is_bounded_by_bytes_and_says_that_there_is_more() {
    let database = items_database().await;
    let connections = database.connect();
    let log = items_log(&connections);
    let large = ItemEvent::Put(ItemFact {
        note: Some("x".repeat(BYTES)),
        ..fact("plain", 1)
    });
    for tens in 0..COUNT / 10 {
        let versions = tens * 10 + 1..=(tens + 1) * 10;
        record(&log, versions.map(|version| event("s1", version, &large)).collect()).await;
    }
    let fit = u64::try_from(READ_MAX_BYTES / BYTES).expect("a small number");

    let slice = log.read(Position::START, 1_000).await.expect("a slice");
    let read = slice.events.len() as u64;
    assert!(slice.more && (fit - 1..=fit + 1).contains(&read), "{read} events");
    let rest = log.read(Position::new(read), 1_000).await.expect("a slice");
    assert_eq!(rest.anchor, slice.events.last().map(|event| event.id));
    assert_eq!((rest.events.len() as u64, rest.more), (COUNT - read, false));
    assert_eq!(rest.events[0].position, Position::new(read).next());
    let mut locked = log.lock().await.expect("the lock");
    let under_lock = locked.read(Position::START, 1_000).await.expect("a slice");
    assert!(under_lock.more && under_lock.events.len() as u64 == read);
    drop(locked);

    let stream = StreamName::of("item", "s1");
    let of = async |after: u64, limit: usize| {
        let wanted = [(stream.clone(), Version::new(after))];
        let read = log
            .read_streams(&wanted, Position::new(COUNT), limit)
            .await
            .expect("a read");
        (read.events.len() as u64, read.more)
    };
    assert_eq!(of(0, 1_000).await, (read, true));
    assert_eq!(of(read, 1_000).await, (COUNT - read, false));
    assert_eq!(of(0, 3).await, (3, true));

    let mut runner = Runner::new(PgProjection::<Items>::new(&connections), log);
    runner.catch_up(Lock::Wait).await.expect("it goes on");
    assert_eq!(runner.status().borrow().checkpoint.position, Position::new(COUNT));
    assert_eq!(shelves(&database).await.len(), 1);
}
