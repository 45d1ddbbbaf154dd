//! Events that can't be applied: what is parked, what must wait, and how it is taken up again.

#[path = "../common/mod.rs"]
mod common;
mod releases;

use callboard::contract::{Items, Tally};
use callboard::parking::{Cause, Parking, RetryOutcome, Selection};
use callboard::subscription::{Applied, Lock, Mode, Runner, Subscriber};
use callboard::view::ViewStore;
use callboard::{Position, Projection, Standing, Views};
use callboard_postgres::testing::TestDatabase;
use callboard_postgres::{
    PgLog, PgParking, PgProcessManagerStore, PgProjection, PgView, PgViews, pause_subscriber, resume_subscriber,
};
use common::{all, all_items, eventually, items_database, items_log, put, record, shelves, waiting};

#[tokio::test]
async fn projections_keep_the_contract_of_parking() {
    let database = items_database().await;
    let connections = database.connect();
    let projection = PgProjection::<Items>::new(&connections);
    let (view, parked) = (
        PgView::<Items>::new(&connections),
        PgParking::<Items>::new(&connections),
    );
    callboard::contract::parking(projection, &items_log(&connections), &view, &parked).await;
    let kept = database
        .texts("select position || ' ' || because from callboard.discarded_events")
        .await;
    assert_eq!(kept, ["2 a typing error"], "who discards says why, and that is kept");
}

#[tokio::test]
async fn process_managers_keep_the_contract_of_parking() {
    let database = TestDatabase::create().await;
    let connections = database.connect();
    let store = PgProcessManagerStore::new::<Tally<true>>(&connections);
    callboard::contract::process_managers(store, &items_log(&connections)).await;
    let rows = "select c.parked || ' ' || (select count(*) from callboard.parked_events)
        from callboard.checkpoints c";
    assert_eq!(database.texts(rows).await, ["0 0"], "the count that others see agrees");
    let kept = "select position || ' ' || because from callboard.discarded_events";
    assert_eq!(database.texts(kept).await, ["5 a typing error"]);
}

#[tokio::test]
async fn process_managers_keep_the_commands_of_a_stopped_one() {
    let database = TestDatabase::create().await;
    let connections = database.connect();
    let store = PgProcessManagerStore::new::<Tally<true>>(&connections);
    let pause = async || {
        let paused = pause_subscriber(&connections, "items", "tally", "for the test").await;
        paused.expect("it is registered");
    };
    let resume = async || {
        let resumed = resume_subscriber(&connections, "items", "tally").await;
        resumed.expect("it is registered");
    };
    callboard::contract::stopped_managers(store, &items_log(&connections), pause, resume).await;
}

#[tokio::test]
async fn an_event_whose_keys_nobody_knows_halts() {
    let database = items_database().await;
    let (connections, log) = unknown_in(&database).await;
    let mut runner = Runner::new(PgProjection::<Items>::new(&connections), log);
    let error = runner.catch_up(Lock::Wait).await.expect_err("it can't go on");
    assert!(error.to_string().contains("aren't keyed by stream"), "{error}");
    assert!(matches!(runner.status().borrow().mode, Mode::Halted(_)));
    assert_eq!(
        shelves(&database).await,
        ["a old 1"],
        "what stands before it is applied"
    );
}

async fn unknown_in(database: &TestDatabase) -> (callboard_postgres::Database, PgLog) {
    let connections = database.connect();
    let log = items_log(&connections);
    let mut unknown = put("a", 2, "of a newer release");
    unknown.event_type = "ItemPainted";
    record(&log, vec![put("a", 1, "old"), unknown, put("b", 1, "behind it")]).await;
    (connections, log)
}

#[tokio::test]
async fn what_postgres_refuses_is_parked_and_its_neighbours_are_applied() {
    let database = items_database().await;
    let connections = database.connect();
    let log = items_log(&connections);
    let label = |number: u64| {
        if number.is_multiple_of(5) {
            "unstorable"
        } else {
            "plain"
        }
    };
    record(
        &log,
        (1..=12)
            .map(|number| put(&format!("s{number:02}"), 1, label(number)))
            .collect(),
    )
    .await;
    let mut runner = Runner::new(PgProjection::<Items>::new(&connections), log.clone());
    runner.catch_up(Lock::Wait).await.expect("it goes on");
    assert_eq!(shelves(&database).await.len(), 10);
    let parking = PgParking::<Items>::new(&connections);
    let positions = |parked: &[callboard::parking::ParkedEvent]| -> Vec<_> {
        parked.iter().map(|parked| parked.position.get()).collect()
    };
    assert_eq!(positions(&parking.list().await.expect("a list")), [5, 10]);
    for retried in parking.retry(Selection::All, false).await.expect("an answer") {
        assert!(matches!(retried.outcome, RetryOutcome::Failed { .. }), "{retried:?}");
    }
    assert_eq!(
        positions(&parking.list().await.expect("a list")),
        [5, 10],
        "apart from one another"
    );
    // A paused subscriber's parked events can be dealt with, too.
    pause_subscriber(&connections, "items", "items", "for a look")
        .await
        .expect("it is paused");
    parking
        .discard(Position::new(5), "it was never real")
        .await
        .expect("it is discarded");
    let view = PgViews::new(&connections).view::<Items>();
    let standing = view.standing().await.expect("a standing");
    assert_eq!(
        standing,
        Standing {
            position: Position::new(12),
            parked: 1
        }
    );
}

#[tokio::test]
async fn what_was_discarded_is_left_out_again_when_a_short_log_is_built_anew() {
    let database = items_database().await;
    let connections = database.connect();
    let log = items_log(&connections);
    let events = [
        ("s01", 1, "plain"),
        ("s02", 1, "poison"),
        ("s03", 1, "plain"),
        ("s04", 1, "poison"),
        ("s04", 2, "behind"),
    ];
    record(
        &log,
        events.map(|(shelf, version, label)| put(shelf, version, label)).into(),
    )
    .await;
    let mut runner = Runner::new(PgProjection::<Items>::new(&connections), log.clone());
    runner.catch_up(Lock::Wait).await.expect("it goes on");
    let parking = PgParking::<Items>::new(&connections);
    for position in [4, 5] {
        let discarded = parking.discard(Position::new(position), "they never were").await;
        discarded.expect("it is discarded");
    }
    let rows = shelves(&database).await;
    assert_eq!(rows.len(), 2);
    database.execute("delete from callboard.checkpoints").await;
    let mut runner = Runner::new(PgProjection::<Items>::new(&connections), log);
    runner.start().await.expect("it is built");
    runner.catch_up(Lock::Wait).await.expect("it goes on");
    assert_eq!(shelves(&database).await, rows);
    let parked: Vec<_> = parking
        .list()
        .await
        .expect("a list")
        .iter()
        .map(|parked| parked.position.get())
        .collect();
    assert_eq!(parked, [2]);
    let view = PgView::<Items>::new(&connections);
    let standing = view.standing().await.expect("a standing");
    assert_eq!((standing.position.get(), standing.parked), (5, 1));
}

#[tokio::test]
async fn a_replica_that_waits_for_the_lock_while_another_one_parks_knows_of_it() {
    let database = items_database().await;
    let connections = database.connect_as("waiter");
    let log = items_log(&connections);
    record(&log, vec![put("a", 1, "first"), put("a", 2, "second")]).await;
    let mut projection = PgProjection::<Items>::new(&connections);
    projection.start().await.expect("it starts");
    let events = common::all_items(&log).await;

    // What parking the first event does, with a waiter in front of its commit.
    let mut other = database.admin().await;
    let park = "begin; \
        update callboard.checkpoints set position = 1, parked = 1, \
            event_id = (select id from callboard.events where position = 1); \
        insert into callboard.parked_events (log, subscriber, position, stream, blocks, cause, reason) \
            values ('items', 'items', 1, 'item-a', array['stream:item-a', 'key:[\"a\",1]'], 'failed', 'poison')";
    sqlx::raw_sql(park).execute(&mut other).await.expect("it is parked");
    let waiter = tokio::spawn(async move { projection.apply(&events, Lock::Wait).await });
    eventually("it waits", async || waiting(&database, "waiter background").await > 0).await;
    sqlx::raw_sql("commit")
        .execute(&mut other)
        .await
        .expect("it is committed");
    let applied = waiter.await.expect("it ends").expect("it applies");
    assert!(matches!(applied, Applied::Moved { events: 1, .. }), "{applied:?}");
    assert_eq!(
        shelves(&database).await,
        Vec::<String>::new(),
        "the second waits behind the first"
    );
    let parked = PgParking::<Items>::new(&connections).list().await.expect("a list");
    assert_eq!((parked.len(), parked[1].cause), (2, Cause::Behind));
}

#[tokio::test]
async fn a_subscriber_that_parks_without_end_halts() {
    let database = items_database().await;
    let connections = database.connect();
    let log = items_log(&connections);
    record(&log, vec![put("a", 1, "poison"), put("b", 1, "poison")]).await;
    let mut runner = Runner::new(PgProjection::<Items>::new(&connections), log);
    runner.start().await.expect("it starts");
    database
        .execute(
            "insert into callboard.parked_events (log, subscriber, position, stream, blocks, cause, reason) \
             select 'items', 'items', 100 + n, 'item-x', '{}', 'failed', '' from generate_series(1, 9999) n; \
             update callboard.checkpoints set parked = 9999",
        )
        .await;
    let error = runner.catch_up(Lock::Wait).await.expect_err("it can't go on");
    let said = error.to_string();
    assert!(
        said.contains("position 2") && said.contains("the code must be wrong"),
        "{said}"
    );
}

/// Inserts of items labelled `stuck` wait for whoever holds the advisory lock 42, and are refused.
const REFUSED_SLOWLY: &str = "
    create function public.refuse() returns trigger language plpgsql as $$
    begin
        if new.label = 'stuck' then
            perform pg_advisory_xact_lock(42);
            raise exception 'stuck' using errcode = '22000';
        end if;
        return new;
    end $$;
    create trigger refuse before insert on contract.items for each row execute function public.refuse();";

#[tokio::test]
async fn a_replica_whose_checkpoint_another_one_moves_while_it_looks_for_the_culprit_blames_nobody() {
    let database = items_database().await;
    database.execute(REFUSED_SLOWLY).await;
    let connections = database.connect();
    let log = items_log(&connections);
    let labels = ["free", "stuck", "free", "free", "free", "free", "free", "free"];
    let streams = (1..)
        .zip(labels)
        .map(|(number, label)| put(&format!("s{number}"), 1, label));
    record(&log, streams.collect()).await;
    let (events, raw) = (all_items(&log).await, all(&log).await);
    let slower = database.connect_as("slower");
    let mut slower = PgProjection::<Items>::new(&slower);
    slower.start().await.expect("it starts");

    let held = database.hold("select pg_advisory_xact_lock(42)").await;
    let run = events.clone();
    let looking = tokio::spawn(async move { slower.apply(&run, Lock::Wait).await });
    eventually("it meets the event at fault", async || {
        waiting(&database, "slower background").await == 1
    })
    .await;
    // Another replica waits for the checkpoint, and so moves it before the next try begins.
    let moved = format!(
        "update callboard.checkpoints set position = 6, event_id = '{}' where subscriber = '{}'",
        raw[5].id,
        Items::NAME
    );
    let waiters = "select count(*)::text from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'";
    let release = async {
        eventually("both wait", async || database.texts(waiters).await == ["2"]).await;
        held.release().await;
    };
    tokio::join!(database.execute(&moved), release);
    let outcome = looking.await.expect("no panic");
    assert!(
        matches!(outcome, Ok(Applied::NotNext { checkpoint }) if checkpoint == raw[5].checkpoint()),
        "{outcome:?}"
    );
}
