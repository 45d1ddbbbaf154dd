//! Rebuilds that nobody wants any more.

mod common;

use callboard::Projection;
use callboard::contract::Items;
use callboard::subscription::Subscriber;
use callboard_postgres::testing::TestDatabase;
use callboard_postgres::{
    Database, PgLog, PgProjection, PgRebuild, RebuildStep, Rebuildable, cancel_rebuild, pause_rebuild,
    rebuild_projection,
};
use common::{NewerItems, apply_all, filled, folded, head, items_database, put, record, shelves};

/// A long log, and its projection at the head.
async fn long(database: &TestDatabase) -> (Database, PgLog, PgProjection<Items>) {
    let (connections, log, mut projection) = filled(database, 1_200).await;
    for statement in [
        "insert into callboard.subscribers (log, name, kind) values ('items', 'items', 'projection')",
        "insert into callboard.checkpoints values ('items', 'items', 1, 0, '00000000-0000-0000-0000-000000000000')",
    ] {
        database.execute(statement).await;
    }
    apply_all(&mut projection, &log).await;
    (connections, log, projection)
}

async fn cancel<P: Projection>(connections: &Database) -> Result<i32, String> {
    let cancelled = cancel_rebuild(connections, Rebuildable::of::<P>(), true).await;
    cancelled.map_err(|error| error.to_string())
}

/// What a rebuild has in the database.
async fn left(database: &TestDatabase) -> Vec<String> {
    let left = "select 'rebuild ' || subscriber from callboard.rebuilds \
        union all select 'table ' || schemaname || '.' || tablename from pg_tables where schemaname like '%\\_\\_next' \
        union all select 'parked ' || position from callboard.parked_events where build = 'next'";
    database.texts(left).await
}

#[tokio::test]
async fn a_cancelled_rebuild_leaves_nothing_and_the_table_that_is_read_as_it_is() {
    let database = items_database().await;
    let (connections, log, mut live) = long(&database).await;
    let items = Rebuildable::of::<Items>();
    let refused = cancel::<Items>(&connections).await.expect_err("there is none");
    assert!(refused.contains("no rebuild is under way"), "{refused}");
    for paused in [false, true] {
        rebuild_projection(&connections, items, Some(400), true)
            .await
            .expect("it is asked for");
        let mut rebuild = PgRebuild::<Items>::new(&connections);
        assert_eq!(rebuild.run_once().await.expect("a step"), RebuildStep::Began);
        let moved = rebuild.run_once().await.expect("a step");
        assert!(matches!(moved, RebuildStep::Moved { events: 400, .. }), "{moved:?}");
        database
            .execute(
                "insert into callboard.parked_events (log, subscriber, build, position, stream, blocks, cause, reason) \
                 values ('items', 'items', 'next', 7, 's', '{}', 'failed', 'by this test')",
            )
            .await;
        if paused {
            pause_rebuild(&connections, "items", "items", "lunch")
                .await
                .expect("it is paused");
        }
        cancel_rebuild(&connections, items, false).await.expect("it could");
        assert_eq!(left(&database).await.len(), 3, "that was a look");
        assert_eq!(cancel::<Items>(&connections).await, Ok(1));
        assert_eq!(left(&database).await, [""; 0]);
        assert_eq!(rebuild.run_once().await.expect("a step"), RebuildStep::Idle);
    }
    record(&log, vec![put("s1", 2, "more")]).await;
    live.start().await.expect("it goes on");
    assert_eq!(apply_all(&mut live, &log).await, 1);
    assert_eq!(shelves(&database).await, folded::<Items>(&log).await);
}

#[tokio::test]
async fn a_rebuilder_whose_rebuild_was_cancelled_begins_the_next_one_from_the_start() {
    let database = items_database().await;
    let (connections, log, _live) = long(&database).await;
    let items = Rebuildable::of::<Items>();
    let mut rebuild = PgRebuild::<Items>::new(&connections);
    let ask = async |throttle| {
        rebuild_projection(&connections, items, throttle, true)
            .await
            .expect("it is asked for");
    };
    ask(Some(400)).await;
    rebuild.run_once().await.expect("it begins");
    rebuild.run_once().await.expect("it moves");
    cancel::<Items>(&connections).await.expect("it is cancelled");
    ask(None).await;
    assert_eq!(rebuild.run_once().await.expect("a step"), RebuildStep::Began);
    loop {
        match rebuild.run_once().await.expect("a step") {
            RebuildStep::Swapped { checkpoint } => break assert_eq!(checkpoint, head(&log).await),
            RebuildStep::Moved { .. } | RebuildStep::Smaller | RebuildStep::Waiting => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(shelves(&database).await, folded::<Items>(&log).await);
}

#[tokio::test]
async fn a_rebuild_that_this_code_needs_is_not_cancelled_but_one_of_a_release_that_is_gone_is() {
    let database = items_database().await;
    let (connections, _, _live) = long(&database).await;
    let mut newer = PgProjection::<NewerItems>::new(&connections);
    newer.start().await.expect_err("it waits for its rebuild");
    let refused = cancel::<NewerItems>(&connections).await.expect_err("it is needed");
    assert!(
        refused.contains("VERSION 1") && refused.contains("VERSION 2") && refused.contains("pause the rebuild instead"),
        "{refused}"
    );
    assert_eq!(left(&database).await, ["rebuild items"], "it goes on");
    assert_eq!(cancel::<Items>(&connections).await, Ok(2), "the older release is back");
    assert_eq!(left(&database).await, [""; 0]);
}

#[tokio::test]
async fn a_rebuild_of_what_was_never_built_is_not_cancelled() {
    let database = items_database().await;
    let (connections, _, mut projection) = filled(&database, 1_200).await;
    projection.start().await.expect_err("it waits for its rebuild");
    let refused = cancel::<Items>(&connections).await.expect_err("it is needed");
    assert!(refused.contains("has no checkpoint"), "{refused}");
    assert_eq!(left(&database).await, ["rebuild items"]);
}

#[tokio::test]
async fn a_rebuild_that_failed_for_what_hangs_on_the_table_can_be_cancelled() {
    let database = items_database().await;
    let (connections, _, _live) = long(&database).await;
    rebuild_projection(&connections, Rebuildable::of::<Items>(), None, true)
        .await
        .expect("it is asked for");
    let mut rebuild = PgRebuild::<Items>::new(&connections);
    rebuild.run_once().await.expect("it begins");
    database
        .execute(&format!("create view public.hanging as select * from {}", Items::TABLE))
        .await;
    loop {
        match rebuild.run_once().await.expect("a step") {
            RebuildStep::Failed { .. } => break,
            RebuildStep::Moved { .. } | RebuildStep::Smaller | RebuildStep::Waiting => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(cancel::<Items>(&connections).await, Ok(1));
    assert_eq!(left(&database).await, [""; 0]);
}
