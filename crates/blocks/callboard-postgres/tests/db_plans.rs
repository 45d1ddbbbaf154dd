//! Statements that are planned once find their rows by an index ever after.

mod common;

use callboard::contract::{Items, ItemsLog};
use callboard::log::{LogReader, LogStore};
use callboard::relay::{Published, RelayStore};
use callboard::subscription::{Applied, Lock, Subscriber};
use callboard::{Position, StreamName, Version};
use callboard_postgres::testing::TestDatabase;
use callboard_postgres::{PgLog, PgProjection, PgRelayStore};
use common::{append, eventually, head, items_database, items_log, key, put};
use uuid::Uuid;

/// Events, keys and rows.
const MANY: u64 = 5_000;

/// Makes the tables large, behind the first event.
const FILL: &str = "
    with one as materialized (select * from callboard.events where log = 'items' and position = 1)
    insert into callboard.events (log, position, stream, version, id, type, schema_version, data, metadata, recorded_at)
    select log, n, 'item-s' || n, 1, gen_random_uuid(), type, schema_version, data, metadata, recorded_at
    from generate_series(2, MANY) n cross join one;
    with one as materialized (select * from callboard.idempotency_keys)
    insert into callboard.idempotency_keys (log, scope, key, fingerprint, receipt, recorded_at)
    select log, scope, 'filled-' || n, fingerprint, receipt, recorded_at
    from generate_series(2, MANY) n cross join one;
    with one as materialized (select * from contract.items)
    insert into contract.items
    select 's' || n, number, label, weight, price, note, changed_at from generate_series(2, MANY) n cross join one;
    update callboard.checkpoints c set position = e.position, event_id = e.id
    from callboard.events e where e.log = 'items' and e.position = MANY and c.log = 'items';
";

/// How many rows were read by scanning a whole table.
const SCANNED: &str = "
    select relname::text || ' ' || seq_tup_read from pg_stat_user_tables
    where relname in ('events', 'idempotency_keys', 'items') and seq_tup_read >= 5000";

/// Ends the backends that have worked, which count what they have read then.
const END: &str = "
    select pg_terminate_backend(pid)::text from pg_stat_activity
    where datname = current_database() and application_name like 'planned %' and state is not null";
/// Those that were there before this moment.
const LEFT: &str = "
    select pid::text from pg_stat_activity
    where datname = current_database() and application_name like 'planned %' and backend_start < 'MOMENT'";

/// What goes on in a service, on connections that keep their plans: an append with a key, reads, a batch of a
/// projection, `published`.
async fn work(log: &PgLog, projection: &mut PgProjection<Items>, relay: &PgRelayStore, name: &str) {
    let before = head(log).await;
    let mut step = append(before, vec![put(name, 1, "worked on")]);
    step.keys = vec![key(name)];
    for _ in 0..2 {
        log.append(&step).await.expect("an answer");
    }
    let slice = log.read(before.position, 10).await.expect("a slice");
    let stream = StreamName::of("item", name);
    let streams = log
        .read_streams(&[(stream, Version::NONE)], head(log).await.position, 10)
        .await
        .expect("its events");
    assert_eq!((slice.events.len(), streams.events.len()), (1, 1));
    let events: Vec<_> = slice
        .events
        .iter()
        .map(|event| event.decode().expect("an item's"))
        .collect();
    let applied = projection.apply(&events, Lock::Wait).await.expect("it applies");
    assert!(matches!(applied, Applied::Moved { events: 1, .. }), "{applied:?}");
    let published = relay.published().await.expect("a row");
    let moved = relay
        .advance(published, head(log).await.position)
        .await
        .expect("an answer");
    assert!(moved, "from {published:?}");
}

#[tokio::test]
async fn what_was_planned_while_the_tables_were_small_scans_none_that_has_grown() {
    let database: TestDatabase = items_database().await;
    let connections = database.connect_as("planned");
    let log = items_log(&connections);
    let mut projection = PgProjection::<Items>::new(&connections);
    projection.start().await.expect("it starts");
    let relay = PgRelayStore::new::<ItemsLog>(&connections);
    assert!(relay.lease(Uuid::now_v7()).await.expect("an answer"));
    assert_eq!(relay.published().await.expect("a row"), Published::default());
    work(&log, &mut projection, &relay, "s1").await;
    assert_eq!(head(&log).await.position, Position::new(1));
    database.execute(&FILL.replace("MANY", &MANY.to_string())).await;
    // What it remembers is of before.
    let mut projection = PgProjection::<Items>::new(&connections);
    projection.start().await.expect("it starts");
    for name in ["new-1", "new-2"] {
        work(&log, &mut projection, &relay, name).await;
    }
    let moment = database.texts("select clock_timestamp()::text").await.remove(0);
    database.texts(END).await;
    let left = LEFT.replace("MOMENT", &moment);
    eventually("every backend has ended", async || {
        database.texts(&left).await.is_empty()
    })
    .await;
    assert_eq!(database.texts(SCANNED).await, Vec::<String>::new());
}
