//! Events that a rebuild can't take: parked apart, and exchanged with the tables.

mod common;

use callboard::contract::{ItemEvent, ItemFact, Items};
use callboard::parking::{Cause, Parking, Selection};
use callboard::subscription::{Lock, Runner};
use callboard::view::ViewStore;
use callboard::{Position, Standing};
use callboard_postgres::{
    Database, PgLog, PgParking, PgProjection, PgRebuild, PgView, RebuildStep, Rebuildable, rebuild_projection,
    undo_rebuild,
};
use common::{event, eventually, fact, items_database, items_log, put, record, shelves};

/// A poison event far in the log, one that Postgres refuses, and one behind each.
async fn poisoned(log: &PgLog) {
    let mut events: Vec<_> = (1..=1_100)
        .map(|number| put(&format!("s{number:04}"), 1, "plain"))
        .collect();
    events[700] = put("s0001", 2, "poison");
    events[800] = put("s0001", 3, "behind the poison");
    events[900] = put("s0002", 2, "unstorable");
    let elsewhere = ItemFact {
        shelf: "s0002, too".into(),
        ..fact("behind the unstorable", 1)
    };
    events[1_000] = event("s0002", 3, &ItemEvent::Put(elsewhere));
    record(log, events).await;
}

async fn rebuilt(connections: &Database) {
    let mut rebuild = PgRebuild::<Items>::new(connections);
    eventually("the swap", async || match rebuild.run_once().await.expect("a step") {
        RebuildStep::Swapped { .. } => true,
        RebuildStep::Failed { reason } => panic!("{reason}"),
        _ => false,
    })
    .await;
}

async fn parked(connections: &Database) -> Vec<(u64, Cause)> {
    let listed = PgParking::<Items>::new(connections).list().await.expect("a list");
    let standing = PgView::<Items>::new(connections).standing().await.expect("a standing");
    assert_eq!(standing.parked, listed.len() as u64, "the view says so");
    listed
        .iter()
        .map(|parked| (parked.position.get(), parked.cause))
        .collect()
}

#[tokio::test]
async fn a_rebuild_parks_what_it_cannot_take_and_undo_brings_back_what_was_parked_before() {
    let database = items_database().await;
    let connections = database.connect();
    let log = items_log(&connections);
    poisoned(&log).await;
    // No checkpoint and a long log: the first table is a rebuild, too.
    rebuild_projection(&connections, Rebuildable::of::<Items>(), None, true)
        .await
        .expect_err("nobody knows it yet");
    let mut live = Runner::new(PgProjection::<Items>::new(&connections), log.clone());
    live.start().await.expect_err("it waits for the rebuild");
    rebuilt(&connections).await;
    let all = [
        (701, Cause::Failed),
        (801, Cause::Behind),
        (901, Cause::Failed),
        (1_001, Cause::Behind),
    ];
    assert_eq!(parked(&connections).await, all);
    let before = shelves(&database).await;
    assert_eq!(before.len(), 1_096);

    // The live one discards an event and goes on.
    live.catch_up(Lock::Wait).await.expect("it goes on");
    let parking = PgParking::<Items>::new(&connections);
    parking
        .discard(Position::new(701), "it was never real")
        .await
        .expect("it is discarded");
    parking
        .retry(Selection::At(Position::new(801)), false)
        .await
        .expect("an answer");
    assert_eq!(parked(&connections).await, all[2..]);
    let healed = shelves(&database).await;
    assert_ne!(healed, before);

    rebuild_projection(&connections, Rebuildable::of::<Items>(), None, true)
        .await
        .expect("it is asked for");
    rebuilt(&connections).await;
    assert_eq!(
        parked(&connections).await,
        all[2..],
        "what was discarded is left out again"
    );
    assert_eq!(shelves(&database).await, healed);
    parking
        .discard(Position::new(901), "neither was this")
        .await
        .expect("it is discarded");
    undo_rebuild(&connections, Rebuildable::of::<Items>())
        .await
        .expect("it is undone");
    assert_eq!(
        parked(&connections).await,
        all[3..],
        "not parked in the table of before either"
    );
    assert_eq!(shelves(&database).await, healed);

    // Both kinds of parked events still block what comes.
    record(&log, vec![put("s0002", 4, "still behind"), put("s0001", 4, "free")]).await;
    live.catch_up(Lock::Wait).await.expect("it goes on");
    assert_eq!(parked(&connections).await.len(), 2);
    let standing = PgView::<Items>::new(&connections).standing().await.expect("a standing");
    assert_eq!(
        standing,
        Standing {
            position: Position::new(1_102),
            parked: 2
        }
    );
}

#[tokio::test]
async fn a_rebuild_fails_at_an_event_whose_keys_nobody_knows_and_leaves_the_table_as_it_was() {
    let database = items_database().await;
    let connections = database.connect();
    let log = items_log(&connections);
    let mut events: Vec<_> = (1..=1_100)
        .map(|number| put(&format!("s{number:04}"), 1, "plain"))
        .collect();
    events[700].event_type = "ItemPainted";
    record(&log, events).await;
    let mut live = Runner::new(PgProjection::<Items>::new(&connections), log);
    live.start().await.expect_err("it waits for the rebuild");
    let mut rebuild = PgRebuild::<Items>::new(&connections);
    let mut said = String::new();
    eventually("it fails", async || match rebuild.run_once().await.expect("a step") {
        RebuildStep::Failed { reason } => {
            said = reason;
            true
        }
        _ => false,
    })
    .await;
    assert!(
        said.contains("position 701") && said.contains("aren't keyed by stream"),
        "{said}"
    );
    assert_eq!(shelves(&database).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_a_rebuild_has_taken_already_is_not_discarded_before_that_has_ended() {
    let database = items_database().await;
    let connections = database.connect();
    let log = items_log(&connections);
    poisoned(&log).await;
    let _ = rebuild_projection(&connections, Rebuildable::of::<Items>(), None, true).await;
    let mut live = Runner::new(PgProjection::<Items>::new(&connections), log.clone());
    live.start().await.expect_err("it waits for the rebuild");
    rebuilt(&connections).await;
    rebuild_projection(&connections, Rebuildable::of::<Items>(), None, true)
        .await
        .expect("it is asked for");
    let parking = PgParking::<Items>::new(&connections);
    let mut rebuild = PgRebuild::<Items>::new(&connections);
    eventually("a rebuild beyond the poison", async || {
        match rebuild.run_once().await.expect("a step") {
            RebuildStep::Moved { position, .. } => position >= Position::new(701),
            step => {
                assert!(!matches!(step, RebuildStep::Swapped { .. }), "it steps first");
                false
            }
        }
    })
    .await;
    let refused = parking.discard(Position::new(701), "it was never real").await;
    let refused = refused.expect_err("the rebuild has it");
    assert!(
        callboard::error_chain(&refused).contains("a rebuild has taken position 701"),
        "{refused:?}"
    );
    rebuilt(&connections).await;
    parking
        .discard(Position::new(701), "it was never real")
        .await
        .expect("the rebuild has ended");
}
