//! Projections and views against their contract, and against replicas, poison and other timelines.

mod common;

use callboard::contract::{ItemEvent, ItemFact, Items, ItemsLog};
use callboard::log::{LogStore, NewEvent};
use callboard::relay::RelayStore;
use callboard::subscription::{Applied, Lock, Runner, Subscriber, SubscriberError};
use callboard::{Checkpoint, Position, Projection, Recorded};
use callboard_postgres::testing::TestDatabase;
use callboard_postgres::{
    Database, PgProjection, PgRebuild, PgRelayStore, PgView, RebuildStep, pause_subscriber, resume_subscriber,
};
use common::{
    NewerItems, all_items, append, applied, apply_all, event, eventually, fact, filled, items_database, items_log, put,
    record, shelves,
};
use tokio::time::Instant;

#[tokio::test]
async fn projections_and_views_keep_their_contract() {
    let database = items_database().await;
    let connections = database.connect();
    let log = items_log(&connections);
    let record = async |events: &[Recorded<ItemEvent>]| {
        let new = events.iter().map(|recorded| NewEvent {
            id: recorded.id,
            version: recorded.version,
            stream: recorded.stream.clone(),
            ..event("any", 1, &recorded.event)
        });
        let appended = log.append(&append(Checkpoint::START, new.collect())).await;
        appended.expect("the events are recorded");
    };
    let projection = PgProjection::<Items>::new(&connections);
    callboard::contract::views(projection, PgView::<Items>::new(&connections), record).await;
}

#[tokio::test]
async fn two_replicas_that_apply_the_same_events_at_once_apply_each_once() {
    let database = items_database().await;
    let (connections, log, mut one) = filled(&database, 50).await;
    let mut two = PgProjection::<Items>::new(&connections);
    let (first, second) = futures::future::join(one.start(), two.start()).await;
    assert_eq!(
        (first.expect("it starts"), second.expect("it starts")),
        (Checkpoint::START, Checkpoint::START)
    );
    let events = all_items(&log).await;
    let mut applied = 0;
    for chunk in events.chunks(10) {
        let both = futures::future::join(one.apply(chunk, Lock::Wait), two.apply(chunk, Lock::Wait)).await;
        for outcome in [both.0, both.1] {
            match outcome.expect("it applies") {
                Applied::Moved { events, .. } => applied += events,
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(applied, 50);
    assert!(
        shelves(&database).await.iter().all(|row| row.ends_with(" 1")),
        "each event once"
    );
}

#[tokio::test]
async fn skipping_the_lock_answers_busy_while_another_replica_holds_it() {
    let database = items_database().await;
    let (_connections, log, mut projection) = filled(&database, 3).await;
    projection.start().await.expect("it starts");
    let mut holder = database.admin().await;
    let hold = "begin; select from callboard.checkpoints for update";
    sqlx::raw_sql(hold).execute(&mut holder).await.expect("the lock");
    let events = all_items(&log).await;
    assert_eq!(
        projection.apply(&events, Lock::Skip).await.expect("an answer"),
        Applied::Busy
    );
    drop(holder);
    let deadline = Instant::now() + common::PATIENCE;
    // The server notices by itself that the holder is gone.
    while projection.apply(&events, Lock::Skip).await.expect("an answer") == Applied::Busy {
        assert!(Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
    assert_eq!(shelves(&database).await.len(), 3);
}

#[tokio::test]
async fn a_fold_that_panics_names_the_event_and_applies_nothing() {
    let database = items_database().await;
    let (_connections, log, mut projection) = filled(&database, 5).await;
    record(&log, vec![put("poisoned", 1, "poison"), put("later", 1, "plain")]).await;
    projection.start().await.expect("it starts");
    let outcome = projection.apply(&all_items(&log).await, Lock::Wait).await;
    match outcome {
        Err(SubscriberError::Permanent { position, .. }) => assert_eq!(position, Position::new(6)),
        other => panic!("{other:?}"),
    }
    assert_eq!(shelves(&database).await, Vec::<String>::new());
    assert_eq!(projection.checkpoint().await.expect("a checkpoint"), Checkpoint::START);
}

#[tokio::test]
async fn an_event_whose_row_postgres_refuses_is_found_wherever_it_stands() {
    for culprit in [1_u64, 4, 8] {
        let database = items_database().await;
        let connections = database.connect();
        let log = items_log(&connections);
        let events = (1..=8).map(|number| {
            let label = if number == culprit { "unstorable" } else { "plain" };
            put(&format!("s{number}"), 1, label)
        });
        record(&log, events.collect()).await;
        let mut projection = PgProjection::<Items>::new(&connections);
        projection.start().await.expect("it starts");
        let outcome = projection.apply(&all_items(&log).await, Lock::Wait).await;
        match outcome {
            Err(SubscriberError::Permanent { position, .. }) => assert_eq!(position.get(), culprit),
            other => panic!("{other:?}"),
        }
        assert_eq!(
            shelves(&database).await,
            Vec::<String>::new(),
            "the tries were rolled back"
        );
        assert_eq!(projection.checkpoint().await.expect("a checkpoint"), Checkpoint::START);
    }
}

#[tokio::test]
async fn events_of_a_lost_timeline_are_never_applied() {
    let database = items_database().await;
    let (_connections, log, mut projection) = filled(&database, 3).await;
    projection.start().await.expect("it starts");
    assert_eq!(apply_all(&mut projection, &log).await, 3);
    let at = projection.checkpoint().await.expect("a checkpoint");
    // They look right: numbers and previous ids go on from the checkpoint; but no log holds them.
    record(&log, vec![put("x", 1, "real"), put("x", 2, "real")]).await;
    let mut lost = all_items(&log).await.split_off(3);
    lost[0].id = uuid::Uuid::now_v7();
    lost[1].previous_id = lost[0].id;
    lost[1].id = uuid::Uuid::now_v7();
    let outcome = projection.apply(&lost, Lock::Wait).await.expect("an answer");
    assert_eq!(outcome, Applied::NotNext { checkpoint: at });
    // And a checkpoint of a lost timeline takes none of the log's.
    database
        .execute("update callboard.checkpoints set event_id = gen_random_uuid()")
        .await;
    let outcome = projection
        .apply(&all_items(&log).await, Lock::Wait)
        .await
        .expect("an answer");
    assert!(
        matches!(outcome, Applied::NotNext { checkpoint } if checkpoint.position == at.position),
        "{outcome:?}"
    );
    assert_eq!(shelves(&database).await.len(), 3);
}

#[tokio::test]
async fn a_newer_version_builds_also_a_short_log_beside_the_table_that_is_read_and_then_the_older_one_stands_by() {
    let database = items_database().await;
    let (connections, log, mut older) = applied(&database, 3).await;
    database
        .execute("insert into contract.items values ('stray', 1, '', 1, 1, null, now())")
        .await;
    let mut newer = PgProjection::<NewerItems>::new(&connections);
    let before = shelves(&database).await;
    let outcome = newer.start().await;
    assert!(
        matches!(outcome, Err(SubscriberError::Rebuilding { .. })),
        "{outcome:?}"
    );
    assert_eq!(shelves(&database).await, before, "it is read as before");
    rebuilt::<NewerItems>(&connections).await;
    assert_eq!(newer.start().await.expect("it starts").position, Position::new(3));
    assert_eq!(
        shelves(&database).await,
        ["s1 new plain 1", "s2 new plain 1", "s3 new plain 1"],
        "never on top of rows"
    );
    for outcome in [
        older.start().await.err(),
        older.checkpoint().await.err(),
        older.apply(&all_items(&log).await, Lock::Wait).await.err(),
    ] {
        assert!(matches!(outcome, Some(SubscriberError::StandBy { .. })), "{outcome:?}");
    }
    assert_eq!(
        newer.start().await.expect("it starts again").position,
        Position::new(3),
        "once is enough"
    );
}

#[tokio::test]
async fn the_table_of_a_short_log_with_an_event_that_cannot_be_folded_never_shrinks() {
    for label in ["poison", "unstorable"] {
        let database = items_database().await;
        let connections = database.connect();
        let log = items_log(&connections);
        record(&log, vec![put("a", 1, "good"), put("b", 1, label), put("c", 1, "good")]).await;
        let mut runner = Runner::new(PgProjection::<Items>::new(&connections), log);
        runner.catch_up(Lock::Wait).await.expect("it goes on");
        database.execute("update callboard.checkpoints set version = 0").await;
        let mut projection = PgProjection::<Items>::new(&connections);
        let outcome = projection.start().await;
        assert!(
            matches!(outcome, Err(SubscriberError::Rebuilding { .. })),
            "{label}: {outcome:?}"
        );
        let all_but_one = ["a good 1", "c good 1"];
        assert_eq!(shelves(&database).await, all_but_one, "{label}: it is read as before");
        rebuilt::<Items>(&connections).await;
        assert_eq!(
            projection.start().await.expect("it starts again").position,
            Position::new(3)
        );
        assert_eq!(shelves(&database).await, all_but_one, "{label}: it is parked again");
    }
}

/// Brings a rebuild to its end.
async fn rebuilt<P: Projection>(connections: &Database) {
    let mut rebuild = PgRebuild::<P>::new(connections);
    eventually("it swaps", async || {
        matches!(rebuild.run_once().await, Ok(RebuildStep::Swapped { .. }))
    })
    .await;
}

#[tokio::test]
async fn a_checkpoint_that_is_gone_is_made_again_with_the_next_start() {
    let database = items_database().await;
    let (_connections, log, mut projection) = filled(&database, 3).await;
    projection.start().await.expect("it starts");
    apply_all(&mut projection, &log).await;
    database.execute("delete from callboard.checkpoints").await;
    let outcome = projection.apply(&all_items(&log).await, Lock::Skip).await;
    assert!(
        matches!(outcome, Err(SubscriberError::StandBy { .. })),
        "gone is not busy: {outcome:?}"
    );
    assert_eq!(projection.start().await.expect("it starts").position, Position::new(3));
    assert_eq!(shelves(&database).await, ["s1 plain 1", "s2 plain 1", "s3 plain 1"]);
}

#[tokio::test]
async fn a_halted_or_paused_projection_stands_by_until_it_is_resumed() {
    let database = items_database().await;
    let (connections, log, mut projection) = filled(&database, 3).await;
    projection.start().await.expect("it starts");
    projection.halt("poisoned").await.expect("it is stored");
    for outcome in [
        projection.start().await.err(),
        projection.apply(&all_items(&log).await, Lock::Wait).await.err(),
    ] {
        match outcome {
            Some(SubscriberError::StandBy { reason, .. }) => assert_eq!(reason, "halted: poisoned"),
            other => panic!("{other:?}"),
        }
    }
    resume_subscriber(&connections, "items", "items")
        .await
        .expect("it is resumed");
    assert_eq!(apply_all(&mut projection, &log).await, 3);
    pause_subscriber(&connections, "items", "items", "for a while")
        .await
        .expect("it is paused");
    let paused = projection.checkpoint().await;
    assert!(matches!(paused, Err(SubscriberError::StandBy { .. })), "{paused:?}");
    assert!(pause_subscriber(&connections, "items", "nobody", "").await.is_err());
}

#[tokio::test]
async fn a_missing_table_is_no_fault_of_the_events() {
    let database = TestDatabase::create().await;
    let (_connections, _log, mut projection) = filled(&database, 1).await;
    let outcome = projection.start().await;
    assert!(matches!(outcome, Err(SubscriberError::Transient { .. })), "{outcome:?}");
}

#[tokio::test]
async fn a_transaction_that_a_dropped_future_left_open_never_swallows_later_writes() {
    let database = items_database().await;
    let config = callboard_postgres::DatabaseConfig {
        background_connections: 1,
        ..callboard_postgres::DatabaseConfig::new(database.url())
    };
    let connections = Database::new(config).expect("a URL");
    let mut left = connections.background().acquire().await.expect("a connection");
    sqlx::raw_sql("begin")
        .execute(&mut *left)
        .await
        .expect("it begins, unknown to the pool");
    drop(left);
    let relay = PgRelayStore::new::<ItemsLog>(&connections);
    assert!(relay.lease(uuid::Uuid::now_v7()).await.expect("an answer"));
    let seen = database.texts("select log from callboard.relays").await;
    assert_eq!(seen, ["items"], "what was answered with yes is seen from outside");
}

#[tokio::test]
async fn rows_come_and_go_within_one_run() {
    let database = items_database().await;
    let connections = database.connect();
    let log = items_log(&connections);
    let on = |shelf: &str, label: &str| ItemFact {
        shelf: shelf.into(),
        ..fact(label, 2)
    };
    let events = vec![
        event("x", 1, &ItemEvent::Put(on("a", "first"))),
        event("x", 2, &ItemEvent::Put(on("b", "stays"))),
        event("x", 3, &ItemEvent::Removed(on("a", ""))),
        event("x", 4, &ItemEvent::Put(on("a", "again"))),
        event("x", 5, &ItemEvent::Removed(on("never", ""))),
    ];
    record(&log, events).await;
    let mut projection = PgProjection::<Items>::new(&connections);
    projection.start().await.expect("it starts");
    assert_eq!(apply_all(&mut projection, &log).await, 5);
    assert_eq!(shelves(&database).await, ["a again 2", "b stays 2"]);
    record(
        &log,
        vec![
            event("x", 6, &ItemEvent::Removed(on("a", ""))),
            event("x", 7, &ItemEvent::Put(on("b", "more"))),
        ],
    )
    .await;
    assert_eq!(apply_all(&mut projection, &log).await, 2);
    assert_eq!(shelves(&database).await, ["b more 4"]);
}
