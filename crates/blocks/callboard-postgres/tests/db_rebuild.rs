//! Rebuilding a table beside the one that is being read.

mod common;

use std::time::Duration;

use callboard::contract::{Items, ItemsLog};
use callboard::subscription::{Lock, Subscriber, SubscriberError};
use callboard::view::ViewStore;
use callboard::{Checkpoint, Position, Projection};
use callboard_postgres::testing::TestDatabase;
use callboard_postgres::{
    Database, InlineProjections, PgLog, PgProjection, PgRebuild, PgView, RebuildStep, Rebuildable, Wakeups,
    drop_replaced, pause_rebuild, rebuild_projection, resume_rebuild, status, undo_rebuild,
};
use common::{
    NewerItems, all_items, apply_all, eventually, filled, folded, head, items_database, put, record, shelves, terminate,
};
use tokio_util::sync::CancellationToken;

/// Steps until the swap; the new table's checkpoint.
async fn finish<P: Projection>(rebuild: &mut PgRebuild<P>) -> Checkpoint {
    let mut at = None;
    eventually("the swap", async || {
        // An error is worth another try: a pooled connection may have been ended.
        match rebuild.run_once().await {
            Ok(RebuildStep::Swapped { checkpoint }) => at = Some(checkpoint),
            Ok(RebuildStep::Failed { reason }) => panic!("{reason}"),
            _ => {}
        }
        at.is_some()
    })
    .await;
    at.expect("it swapped")
}

/// Steps until so many events are behind it.
async fn until<P: Projection>(rebuild: &mut PgRebuild<P>, events: u64) {
    loop {
        match rebuild.run_once().await.expect("a step") {
            RebuildStep::Moved { position, .. } if position.get() >= events => return,
            RebuildStep::Moved { .. } | RebuildStep::Began | RebuildStep::Smaller => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Asks for a rebuild of `P`.
async fn ask<P: Projection>(connections: &Database, throttle: Option<i32>) {
    rebuild_projection(connections, Rebuildable::of::<P>(), throttle, true)
        .await
        .expect("it is asked for");
}

/// A long log, and its projection at the head.
async fn long(database: &TestDatabase) -> (Database, PgLog, PgProjection<Items>) {
    let (connections, log, mut projection) = filled(database, 1_200).await;
    database
        .execute("insert into callboard.subscribers (log, name, kind) values ('items', 'items', 'projection')")
        .await;
    database
        .execute(
            "insert into callboard.checkpoints values ('items', 'items', 1, 0, '00000000-0000-0000-0000-000000000000')",
        )
        .await;
    assert_eq!(apply_all(&mut projection, &log).await, 1_200);
    (connections, log, projection)
}

async fn state_of(connections: &Database) -> String {
    let logs = status(connections.queries()).await.expect("a status");
    let rebuild = logs[0].subscribers[0].rebuild.as_ref();
    rebuild.map_or_else(|| "none".into(), ToString::to_string)
}

#[tokio::test]
async fn a_higher_version_is_rebuilt_while_the_older_one_goes_on() {
    let database = items_database().await;
    let (connections, log, mut older) = long(&database).await;
    let mut newer = PgProjection::<NewerItems>::new(&connections);
    let view = PgView::<NewerItems>::new(&connections);
    let waiting = newer.start().await.expect_err("it waits for its rebuild");
    assert!(
        matches!(&waiting, SubscriberError::Rebuilding { progress, .. } if progress.starts_with("rebuilding to VERSION 2: 0 %")),
        "{waiting}"
    );
    assert_eq!(
        view.standing().await.expect("a standing").position,
        Position::new(1_200)
    );
    let mut rebuild = PgRebuild::<NewerItems>::new(&connections);
    until(&mut rebuild, 1_200).await;
    // The older one applies to the old table, which is read by both.
    record(&log, vec![put("s1", 2, "more"), put("z", 1, "late")]).await;
    older.start().await.expect("it goes on");
    apply_all(&mut older, &log).await;
    let row = view.get(&("z".into(), 1)).await.expect("a read").expect("the row");
    assert_eq!(row.label, "late", "the old table is read until the swap");
    assert_eq!(finish(&mut rebuild).await, head(&log).await);
    assert_eq!(shelves(&database).await, folded::<NewerItems>(&log).await);
    assert_eq!(newer.start().await.expect("it starts by itself"), head(&log).await);
    assert!(matches!(older.start().await, Err(SubscriberError::StandBy { .. })));
    record(&log, vec![put("z", 2, "after")]).await;
    assert_eq!(apply_all(&mut newer, &log).await, 1);
    assert_eq!(shelves(&database).await, folded::<NewerItems>(&log).await);
}

#[tokio::test]
async fn a_long_log_without_a_checkpoint_is_rebuilt_too() {
    let database = items_database().await;
    let (connections, log, mut projection) = filled(&database, 1_200).await;
    assert!(matches!(
        projection.start().await,
        Err(SubscriberError::Rebuilding { .. })
    ));
    assert_eq!(shelves(&database).await, Vec::<String>::new(), "no half-built table");
    assert_eq!(
        finish(&mut PgRebuild::<Items>::new(&connections)).await,
        head(&log).await
    );
    assert_eq!(projection.start().await.expect("it starts"), head(&log).await);
    assert_eq!(shelves(&database).await, folded::<Items>(&log).await);
    let undone = undo_rebuild(&connections, Rebuildable::of::<Items>()).await;
    assert!(undone.is_err(), "nothing was replaced");
}

#[tokio::test]
async fn two_rebuilders_appends_and_applies_at_once_end_with_the_fold_of_the_log() {
    let database = items_database().await;
    let (connections, log, mut live) = long(&database).await;
    ask::<Items>(&connections, Some(400)).await;
    let writing = async {
        for version in 2..30 {
            record(
                &log,
                vec![put("s1", version, "on"), put(&format!("n{version}"), 1, "new")],
            )
            .await;
            live.apply(&all_items(&log).await, Lock::Skip).await.expect("an answer");
            assert!(shelves(&database).await.len() >= 1_200, "never fewer rows");
        }
    };
    let rebuilding = async || {
        let mut rebuild = PgRebuild::<Items>::new(&connections);
        let mut moved = 0;
        eventually("no rebuild any more", async || {
            moved += usize::from(matches!(rebuild.run_once().await, Ok(RebuildStep::Moved { .. })));
            state_of(&connections).await == "none"
        })
        .await;
        moved
    };
    let ((), first, second) = futures::future::join3(writing, rebuilding(), rebuilding()).await;
    assert!(first + second >= 3, "{first} and {second} steps");
    let mut live = PgProjection::<Items>::new(&connections);
    live.start().await.expect("it goes on");
    apply_all(&mut live, &log).await;
    assert_eq!(shelves(&database).await, folded::<Items>(&log).await);
}

#[tokio::test]
async fn whoever_rebuilds_is_woken_by_an_order() {
    let database = items_database().await;
    let (connections, ..) = long(&database).await;
    let wakeups = Wakeups::spawn(&connections, &["items"]);
    let mut listening = wakeups.rebuilds();
    listening.changed().await.expect("the listener lives");
    let rebuild = PgRebuild::<Items>::new(&connections).woken_by(listening);
    let shutdown = CancellationToken::new();
    let never = Duration::from_secs(1 << 20);
    let running = tokio::spawn(rebuild.looking_every(never).run(shutdown.clone()));
    // The first one may be found by the first look; whoever looks once more behind the swap finds none.
    for _ in 0..3 {
        ask::<Items>(&connections, None).await;
        eventually("it is rebuilt", async || state_of(&connections).await == "none").await;
    }
    shutdown.cancel();
    running.await.expect("it ends");
}

#[tokio::test]
async fn a_killed_rebuild_goes_on_where_it_was() {
    let database = items_database().await;
    let (connections, log, _live) = long(&database).await;
    ask::<Items>(&connections, Some(500)).await;
    let others = database.connect_as("rebuilder");
    let mut killed = PgRebuild::<Items>::new(&others);
    until(&mut killed, 500).await;
    // In the middle of a step: its row is locked, the server ends it.
    let held = database
        .hold("lock table contract__next.items in share row exclusive mode")
        .await;
    let (stepped, ()) = futures::future::join(killed.run_once(), async {
        eventually("it waits to write", async || {
            common::waiting(&database, "rebuilder background").await == 1
        })
        .await;
        terminate(&database, "rebuilder background").await;
    })
    .await;
    assert!(stepped.is_err(), "{stepped:?}");
    held.release().await;
    let mut next = PgRebuild::<Items>::new(&connections);
    assert!(
        matches!(next.run_once().await, Ok(RebuildStep::Moved { position, .. }) if position == Position::new(1_000)),
        "the second chunk"
    );
    // Dropped in the middle: the killed one's memory counts for nothing.
    let dropped = tokio::time::timeout(std::time::Duration::from_millis(2), killed.run_once()).await;
    drop(dropped);
    assert_eq!(finish(&mut killed).await, head(&log).await);
    assert_eq!(shelves(&database).await, folded::<Items>(&log).await);
}

#[tokio::test]
async fn a_slow_reader_holds_up_the_swap_and_nobody_else() {
    let database = items_database().await;
    let (connections, log, _live) = long(&database).await;
    ask::<Items>(&connections, None).await;
    let mut rebuild = PgRebuild::<Items>::new(&connections);
    until(&mut rebuild, 1_200).await;
    let reader = database.hold("select count(*) from contract.items").await;
    let view = PgView::<Items>::new(&connections);
    let mut slowest = std::time::Duration::ZERO;
    for _ in 0..3 {
        let reading = async {
            for _ in 0..40 {
                let began = std::time::Instant::now();
                let row = view.get(&("s1".into(), 1)).await.expect("a read");
                assert!(row.is_some());
                slowest = slowest.max(began.elapsed());
            }
        };
        let (step, ()) = futures::future::join(rebuild.run_once(), reading).await;
        assert_eq!(step.expect("a step"), RebuildStep::Waiting);
    }
    assert!(slowest < std::time::Duration::from_millis(600), "{slowest:?}");
    reader.release().await;
    assert_eq!(finish(&mut rebuild).await, head(&log).await);
    assert_eq!(shelves(&database).await, folded::<Items>(&log).await);
}

#[tokio::test]
async fn a_rebuild_is_undone_and_done_again_until_the_old_table_is_dropped() {
    let database = items_database().await;
    let (connections, log, mut live) = long(&database).await;
    let items = Rebuildable::of::<Items>();
    // A wrong row that the rebuild mends.
    database
        .execute("update contract.items set label = 'wrong' where shelf = 's7'")
        .await;
    let wrong = shelves(&database).await;
    ask::<Items>(&connections, None).await;
    finish(&mut PgRebuild::<Items>::new(&connections)).await;
    let right = folded::<Items>(&log).await;
    assert_eq!(shelves(&database).await, right);
    record(&log, vec![put("s1", 2, "more")]).await;
    undo_rebuild(&connections, items).await.expect("it is undone");
    assert_eq!(shelves(&database).await, wrong);
    live.start().await.expect("it follows the checkpoint");
    assert_eq!(apply_all(&mut live, &log).await, 1);
    undo_rebuild(&connections, items).await.expect("the undo is undone");
    assert_eq!(shelves(&database).await, right, "it lacks the last event");
    assert_eq!(apply_all(&mut live, &log).await, 1);
    assert_eq!(shelves(&database).await, folded::<Items>(&log).await);
    assert!(drop_replaced(&connections, items).await.expect("it is dropped"));
    assert!(!drop_replaced(&connections, items).await.expect("once"));
    let undone = undo_rebuild(&connections, items).await.expect_err("nothing is left");
    assert!(undone.to_string().contains("no replaced table"), "{undone}");
}

#[tokio::test]
async fn a_rebuild_is_paused_resumed_and_throttled() {
    let database = items_database().await;
    let (connections, log, _live) = long(&database).await;
    ask::<Items>(&connections, Some(400)).await;
    let mut rebuild = PgRebuild::<Items>::new(&connections);
    assert_eq!(rebuild.run_once().await.expect("a step"), RebuildStep::Began);
    match rebuild.run_once().await.expect("a step") {
        RebuildStep::Moved { position, events, rest } => {
            assert_eq!((position, events), (Position::new(400), 400));
            assert!(rest > std::time::Duration::from_millis(200), "it rests for {rest:?}");
        }
        other => panic!("{other:?}"),
    }
    pause_rebuild(&connections, "items", "items", "lunch")
        .await
        .expect("it is paused");
    assert_eq!(rebuild.run_once().await.expect("a step"), RebuildStep::Idle);
    assert_eq!(
        state_of(&connections).await,
        "the rebuild to VERSION 1 is paused at 33 %: lunch"
    );
    resume_rebuild(&connections, "items", "items")
        .await
        .expect("it is resumed");
    until(&mut rebuild, 800).await;
    let shown = state_of(&connections).await;
    assert!(
        shown.starts_with("rebuilding to VERSION 1: 66 %, about 1 s left"),
        "{shown}"
    );
    assert_eq!(finish(&mut rebuild).await, head(&log).await);
    assert_eq!(shelves(&database).await, folded::<Items>(&log).await);
    assert!(pause_rebuild(&connections, "items", "items", "").await.is_err());
}

#[tokio::test]
async fn an_event_that_cannot_be_folded_fails_the_rebuild_of_one_that_rather_halts_and_leaves_the_table() {
    for (label, words) in [("poison", "panicked"), ("unstorable", "numeric")] {
        let database = items_database().await;
        let (connections, log, _live) = long(&database).await;
        let at = head(&log).await.position.next();
        record(&log, vec![put("p", 1, label), put("q", 1, "good")]).await;
        let before = shelves(&database).await;
        ask::<NewerItems>(&connections, None).await;
        let mut rebuild = PgRebuild::<NewerItems>::new(&connections);
        let mut failed = None;
        eventually("it fails", async || {
            if let RebuildStep::Failed { reason } = rebuild.run_once().await.expect("a step") {
                failed = Some(reason);
            }
            failed.is_some()
        })
        .await;
        let reason = failed.expect("it failed");
        assert!(
            reason.contains(&format!("position {at}")) && reason.contains(words),
            "{reason}"
        );
        assert!(state_of(&connections).await.contains("is failed at"));
        assert_eq!(
            rebuild.run_once().await.expect("a step"),
            RebuildStep::Idle,
            "it doesn't loop"
        );
        assert_eq!(shelves(&database).await, before);
    }
}

#[tokio::test]
async fn a_log_of_another_timeline_in_the_middle_fails_the_rebuild() {
    let database = items_database().await;
    let (connections, _log, _live) = long(&database).await;
    ask::<Items>(&connections, Some(500)).await;
    let mut rebuild = PgRebuild::<Items>::new(&connections);
    until(&mut rebuild, 500).await;
    database
        .execute("update callboard.events set id = gen_random_uuid() where position = 500")
        .await;
    match rebuild.run_once().await.expect("a step") {
        RebuildStep::Failed { reason } => assert!(reason.contains("another timeline"), "{reason}"),
        other => panic!("{other:?}"),
    }
    ask::<Items>(&connections, None).await;
    finish(&mut rebuild).await;
}

#[tokio::test]
async fn a_writer_with_inline_projections_rebuilds_before_its_first_append() {
    let database = items_database().await;
    let (connections, log, _live) = long(&database).await;
    let older = InlineProjections::<ItemsLog>::new(&connections).projection::<Items>();
    older.start().await.expect("it starts");
    let older = PgLog::with_inline(&connections, older);
    let newer = InlineProjections::<ItemsLog>::new(&connections).projection::<NewerItems>();
    // Appends of an older replica while the newer one rebuilds.
    let (started, ()) = futures::future::join(newer.start(), async {
        for version in 2..12 {
            record(&older, vec![put("s1", version, "older")]).await;
        }
    })
    .await;
    started.expect("it rebuilds and starts");
    let newer = PgLog::with_inline(&connections, newer);
    record(&newer, vec![put("s1", 12, "newer")]).await;
    assert_eq!(shelves(&database).await, folded::<NewerItems>(&log).await);
    record(&older, vec![put("s1", 13, "passed over")]).await;
    record(&newer, vec![put("s1", 14, "caught up")]).await;
    assert_eq!(shelves(&database).await, folded::<NewerItems>(&log).await);
}

#[tokio::test]
async fn while_a_rebuild_has_failed_inline_appends_go_on_without_the_projection() {
    let database = items_database().await;
    let (connections, log, _live) = long(&database).await;
    let at = record(&log, vec![put("p", 1, "poison")]).await;
    let newer = InlineProjections::<ItemsLog>::new(&connections).projection::<NewerItems>();
    newer.start().await.expect("it is passed over");
    let newer = PgLog::with_inline(&connections, newer);
    let after = record(&newer, vec![put("s1", 2, "goes on")]).await;
    assert_eq!(after.position, at.position.next());
    assert!(state_of(&connections).await.contains("is failed at"));
}
