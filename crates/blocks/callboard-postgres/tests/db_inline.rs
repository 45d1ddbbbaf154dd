//! Projections inside the append's transaction.

mod common;

use callboard::contract::{Items, ItemsLog};
use callboard::log::{AppendError, Appended, LockedLog, LogStore};
use callboard::subscription::{Lock, Subscriber};
use callboard::view::ViewStore;
use callboard::{Checkpoint, Position};
use callboard_postgres::testing::TestDatabase;
use callboard_postgres::{
    Database, InlineProjections, PgLog, PgProjection, PgView, pause_subscriber, resume_subscriber,
};
use common::{all, all_items, append, head, items_database, items_log, put, record, shelves};

async fn inline(connections: &Database) -> PgLog {
    let projections = InlineProjections::<ItemsLog>::new(connections).projection::<Items>();
    projections.start().await.expect("the projections reach the head");
    PgLog::with_inline(connections, projections)
}

async fn labels(database: &TestDatabase) -> Vec<String> {
    database
        .texts("select label || ' ' || weight from contract.items order by shelf")
        .await
}

#[tokio::test]
async fn what_is_recorded_is_visible_with_the_answer() {
    let database = items_database().await;
    let connections = database.connect();
    let log = inline(&connections).await;
    let view = PgView::<Items>::new(&connections);
    for version in 1..=3 {
        record(&log, vec![put("x", version, "seen")]).await;
        assert_eq!(
            view.standing().await.expect("a standing").position,
            Position::new(version)
        );
        let row = view.get(&("x".into(), 1)).await.expect("a read").expect("the row");
        assert_eq!(row.weight.unsigned_abs(), version);
    }
}

#[tokio::test]
async fn a_log_with_inline_projections_keeps_the_logs_contract() {
    let database = items_database().await;
    let connections = database.connect();
    // The contract's own events are no items', so no projection is asked to fold them.
    callboard::contract::log(async || {
        database
            .execute("truncate callboard.logs, callboard.events, callboard.idempotency_keys")
            .await;
        PgLog::with_inline(&connections, InlineProjections::<RawLog>::new(&connections))
    })
    .await;
}

/// A log whose events are whatever was recorded.
struct RawLog;

impl callboard::Log for RawLog {
    const NAME: &'static str = "raw";
    type Event = Anything;
}

#[derive(Clone)]
struct Anything(callboard::Json);

impl callboard::Event for Anything {
    const TYPES: &'static [callboard::EventType] = &[callboard::EventType::new("Happened", 1)];

    fn event_type(&self) -> callboard::EventType {
        Self::TYPES[0]
    }

    fn encode(&self) -> Result<callboard::Json, serde_json::Error> {
        Ok(self.0.clone())
    }

    fn decode(raw: &callboard::RawEvent) -> Result<Self, callboard::DecodeError> {
        Ok(Self(raw.data.clone()))
    }
}

#[tokio::test]
async fn an_event_that_a_projection_cannot_take_is_not_recorded() {
    let database = items_database().await;
    let log = inline(&database.connect()).await;
    record(&log, vec![put("x", 1, "good")]).await;
    for label in ["poison", "unstorable"] {
        let step = append(head(&log).await, vec![put("y", 1, "neighbour"), put("x", 2, label)]);
        let outcome = log.append(&step).await;
        assert!(
            matches!(outcome, Err(AppendError::Projection(_))),
            "{label}: {outcome:?}"
        );
        let locked = log.lock().await.expect("the lock");
        let outcome = locked.append(&step).await;
        assert!(
            matches!(outcome, Err(AppendError::Projection(_))),
            "{label}, locked: {outcome:?}"
        );
    }
    assert_eq!(all(&log).await.len(), 1, "nothing was recorded");
    assert_eq!(labels(&database).await, ["good 1"]);
    record(&log, vec![put("x", 2, "good")]).await;
    assert_eq!(labels(&database).await, ["good 2"]);
}

#[tokio::test]
async fn a_repeated_append_is_folded_once() {
    let database = items_database().await;
    let log = inline(&database.connect()).await;
    let step = append(Checkpoint::START, vec![put("x", 1, "once"), put("x", 2, "once")]);
    for _ in 0..3 {
        let answer = log.append(&step).await.expect("an answer");
        assert!(matches!(answer, Appended::Done { .. }), "{answer:?}");
    }
    record(&log, vec![put("x", 3, "after")]).await;
    let repeated = log.append(&step).await.expect("an answer");
    assert!(matches!(repeated, Appended::Done { .. }), "{repeated:?}");
    assert_eq!(labels(&database).await, ["after 3"]);
}

#[tokio::test]
async fn a_projection_that_is_behind_is_caught_up_within_the_append() {
    let database = items_database().await;
    let connections = database.connect();
    let log = inline(&connections).await;
    // Somebody without inline projections wrote meanwhile.
    record(
        &items_log(&connections),
        (1..=2_500).map(|version| put("x", version, "before")).collect(),
    )
    .await;
    record(&log, vec![put("x", 2_501, "now")]).await;
    assert_eq!(labels(&database).await, ["now 2501"]);
    // So far behind that it is done without the log's lock.
    record(
        &items_log(&connections),
        (1..=6_000).map(|version| put("y", version, "before")).collect(),
    )
    .await;
    record(&log, vec![put("y", 6_001, "now")]).await;
    assert_eq!(labels(&database).await, ["now 2501", "now 6001"]);
}

#[tokio::test]
async fn an_append_under_the_lock_folds_too() {
    let database = items_database().await;
    let log = inline(&database.connect()).await;
    let locked = log.lock().await.expect("the lock");
    let answer = locked
        .append(&append(Checkpoint::START, vec![put("x", 1, "locked")]))
        .await
        .expect("an answer");
    assert!(matches!(answer, Appended::Done { .. }), "{answer:?}");
    assert_eq!(labels(&database).await, ["locked 1"]);
}

#[tokio::test]
async fn a_paused_projection_is_passed_over_and_caught_up_later() {
    let database = items_database().await;
    let connections = database.connect();
    let log = inline(&connections).await;
    record(&log, vec![put("x", 1, "before")]).await;
    pause_subscriber(&connections, "items", "items", "for a while")
        .await
        .expect("it is paused");
    record(&log, vec![put("x", 2, "meanwhile")]).await;
    assert_eq!(labels(&database).await, ["before 1"]);
    resume_subscriber(&connections, "items", "items")
        .await
        .expect("it is resumed");
    record(&log, vec![put("x", 3, "after")]).await;
    assert_eq!(labels(&database).await, ["after 3"]);
}

#[tokio::test]
async fn a_projection_whose_checkpoint_is_gone_is_rebuilt_before_the_append() {
    let database = items_database().await;
    let connections = database.connect();
    let log = inline(&connections).await;
    record(&log, vec![put("x", 1, "before")]).await;
    database.execute("delete from callboard.checkpoints").await;
    record(&log, vec![put("x", 2, "after")]).await;
    assert_eq!(labels(&database).await, ["after 2"]);
}

#[tokio::test]
async fn an_ordinary_projection_beside_the_inline_one_applies_nothing_twice() {
    let database = items_database().await;
    let connections = database.connect();
    let log = inline(&connections).await;
    let mut ordinary = PgProjection::<Items>::new(&connections);
    for version in 1..=20 {
        let step = append(head(&log).await, vec![put("x", version, "both")]);
        let events = all_items(&log).await;
        let (appended, applied) = futures::future::join(log.append(&step), ordinary.apply(&events, Lock::Wait)).await;
        assert!(matches!(appended.expect("an answer"), Appended::Done { .. }));
        applied.expect("an answer");
    }
    assert_eq!(labels(&database).await, ["both 20"]);
}

#[tokio::test]
async fn what_an_earlier_release_recorded_and_this_one_cannot_fold_is_parked_before_the_first_append() {
    let database = items_database().await;
    let (connections, log, _) = common::filled(&database, 2).await;
    record(
        &log,
        vec![put("a", 1, "poison"), put("a", 2, "behind it"), put("b", 1, "free")],
    )
    .await;
    let inline = InlineProjections::<ItemsLog>::new(&connections).projection::<Items>();
    inline.start().await.expect("it parks the poison and goes on");
    let inline = PgLog::with_inline(&connections, inline);
    record(&inline, vec![put("a", 3, "still behind it"), put("b", 2, "still free")]).await;
    let view = PgView::<Items>::new(&connections);
    let standing = view.standing().await.expect("a standing");
    assert_eq!((standing.position, standing.parked), (Position::new(7), 3));
    assert_eq!(shelves(&database).await, ["b still free 2", "s1 plain 1", "s2 plain 1"]);
    // A new event that can't be folded is refused with its append, and parks nothing.
    let outcome = inline
        .append(&append(head(&inline).await, vec![put("c", 1, "poison")]))
        .await;
    assert!(matches!(outcome, Err(AppendError::Projection(_))), "{outcome:?}");
    assert_eq!(view.standing().await.expect("a standing"), standing);
}
