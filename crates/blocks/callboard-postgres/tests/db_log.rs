//! The log against its contract, and against everything that can happen to a connection.

mod common;

use std::time::{Duration, Instant};

use callboard::contract::ItemsLog;
use callboard::log::{AppendError, Appended, LockedLog, LogReader, LogStore};
use callboard::{Checkpoint, Position};
use callboard_postgres::PgLog;
use callboard_postgres::testing::TestDatabase;
use common::{OtherLog, all, append, backends, eventually, head, items_log, key, put, record, terminate, waiting};
use sqlx::{Connection, PgConnection};

const LOCK_ITEMS: &str = "begin; select from callboard.logs where log = 'items' for update";

/// A log with an event, and a connection of somebody who holds its lock.
async fn held(database: &TestDatabase, log: &PgLog) -> (Checkpoint, PgConnection) {
    let head = record(log, vec![put("x", 1, "first")]).await;
    let mut holder = database.admin().await;
    sqlx::raw_sql(LOCK_ITEMS).execute(&mut holder).await.expect("the lock");
    (head, holder)
}

#[tokio::test]
async fn the_log_keeps_its_contract() {
    let database = TestDatabase::create().await;
    let connections = database.connect();
    callboard::contract::log(async || {
        database
            .execute("truncate callboard.logs, callboard.events, callboard.idempotency_keys")
            .await;
        items_log(&connections)
    })
    .await;
}

#[tokio::test]
async fn two_replicas_take_turns() {
    let database = TestDatabase::create().await;
    callboard::contract::turns([database.connect(), database.connect()].map(|replica| items_log(&replica))).await;
}

#[tokio::test]
async fn a_turn_that_is_kept_is_an_error_for_the_others_and_theirs_once_its_session_has_ended() {
    let database = TestDatabase::create().await;
    let [one, other] = [database.connect(), database.connect()].map(|replica| items_log(&replica));
    let kept = one.take_turn(Position::START, 10).await.expect("the turn");
    let refused = other.take_turn(Position::START, 10).await.map(|_| "a turn");
    let error = callboard::error_chain(&refused.expect_err("somebody keeps it"));
    assert!(error.contains("lock timeout"), "{error}");
    drop(kept);
    assert!(other.take_turn(Position::START, 10).await.expect("the turn").is_some());
}

#[tokio::test]
async fn a_turn_is_passed_on_when_its_append_can_be_seen() {
    let database = TestDatabase::create().await;
    let log = items_log(&database.connect());
    let mut holder = database.admin().await;
    let mut run = async |statement: &'static str| sqlx::raw_sql(statement).execute(&mut holder).await.expect("done");
    run("begin; select callboard.take_turn('items', 0, 10)").await;
    let append = include_str!("../queries/append_in_turn.sql");
    let arguments = [
        "'items'",
        "0",
        "'00000000-0000-0000-0000-000000000000'",
        "array[gen_random_uuid()]",
    ]
    .into_iter()
    .chain([
        "'{x}'",
        "'{1}'",
        "'{Put}'",
        "'{1}'",
        "array['{}']",
        "array['{}']",
        "'{}'",
        "'{}'",
        "'{}'",
        "'{}'",
    ]);
    let last_first: Vec<_> = arguments.enumerate().collect();
    let append = last_first
        .into_iter()
        .rev()
        .fold(append.to_owned(), |append, (index, argument)| {
            append.replace(&format!("${}", index + 1), argument)
        });
    run(append.leak()).await;
    let waiting = log.take_turn(Position::START, 10).await.map(|_| "a turn");
    waiting.expect_err("it isn't committed");
    run("commit").await;
    let (_, slice) = log
        .take_turn(Position::START, 10)
        .await
        .expect("a turn")
        .expect("a turn");
    assert_eq!(slice.events.len(), 1);
}

#[tokio::test]
async fn two_replicas_that_race_leave_no_gap_and_lose_nothing() {
    let database = TestDatabase::create().await;
    let replicas = [items_log(&database.connect()), items_log(&database.connect())];
    let writers = replicas.iter().zip(["one", "two"]).map(|(log, stream)| async move {
        let mut moved = 0;
        for version in 1..=50 {
            loop {
                let step = append(head(log).await, vec![put(stream, version, "raced")]);
                match log.append(&step).await.expect("an answer") {
                    Appended::Done { .. } => break,
                    Appended::HeadMoved(_) => moved += 1,
                    other @ Appended::KnownKeys(_) => panic!("no keys were given: {other:?}"),
                }
            }
        }
        moved
    });
    futures::future::join_all(writers).await;
    assert_eq!(all(&replicas[0]).await.len(), 100);
}

#[tokio::test]
async fn the_same_append_at_once_is_recorded_once() {
    let database = TestDatabase::create().await;
    let log = items_log(&database.connect());
    let mut step = append(head(&log).await, vec![put("x", 1, "once"), put("x", 2, "once")]);
    step.keys = vec![key("k")];
    let replicas: Vec<PgLog> = (0..8).map(|_| items_log(&database.connect())).collect();
    let answers = futures::future::join_all(replicas.iter().map(|log| log.append(&step))).await;
    let times: Vec<_> = answers
        .into_iter()
        .map(|answer| match answer.expect("an answer") {
            Appended::Done { recorded_at } => recorded_at,
            other => panic!("it is recorded: {other:?}"),
        })
        .collect();
    assert!(
        times.iter().all(|time| *time == times[0]),
        "eight equal answers: {times:?}"
    );
    assert_eq!(all(&log).await.len(), 2);
}

#[tokio::test]
async fn an_append_whose_client_left_while_it_waited_for_the_lock_is_recorded_at_most_once() {
    let database = TestDatabase::create().await;
    let log = items_log(&database.connect_as("leaver"));
    let (head, holder) = held(&database, &log).await;
    let step = append(head, vec![put("x", 2, "left alone")]);
    let task = tokio::spawn({
        let (log, step) = (log.clone(), step.clone());
        async move { log.append(&step).await }
    });
    eventually("the append waits", async || {
        waiting(&database, "leaver append").await == 1
    })
    .await;
    task.abort();
    assert!(task.await.expect_err("it was aborted").is_cancelled());
    holder.close().await.expect("the lock is let go");
    eventually("the old backend ends", async || {
        backends(&database, "leaver append").await == 0
    })
    .await;
    // The abandoned backend has committed, or not: the very same append settles it.
    let settled = log.append(&step).await.expect("an answer");
    assert!(matches!(settled, Appended::Done { .. }), "{settled:?}");
    assert_eq!(all(&log).await.len(), 2, "once");
}

#[tokio::test]
async fn a_connection_lost_in_the_middle_is_an_unknown_outcome_that_the_same_append_settles() {
    let database = TestDatabase::create().await;
    let log = items_log(&database.connect_as("lost"));
    let (head, holder) = held(&database, &log).await;
    let step = append(head, vec![put("x", 2, "lost")]);
    let task = tokio::spawn({
        let (log, step) = (log.clone(), step.clone());
        async move { log.append(&step).await }
    });
    eventually("the append waits", async || {
        waiting(&database, "lost append").await == 1
    })
    .await;
    terminate(&database, "lost append").await;
    let outcome = task.await.expect("it ends");
    assert!(matches!(outcome, Err(AppendError::Unknown(_))), "{outcome:?}");
    holder.close().await.expect("the lock is let go");
    let settled = log.append(&step).await.expect("an answer");
    assert!(matches!(settled, Appended::Done { .. }), "{settled:?}");
    assert_eq!(all(&log).await.len(), 2, "once");
}

#[tokio::test]
async fn a_repeat_that_overtakes_an_abandoned_append_wins_and_the_abandoned_one_records_nothing() {
    let database = TestDatabase::create().await;
    let slow = items_log(&database.connect_as("slow"));
    let (head, holder) = held(&database, &slow).await;
    let step = append(head, vec![put("x", 2, "twice"), put("x", 3, "twice")]);
    let tries: Vec<_> = [
        slow.clone(),
        items_log(&database.connect_as("slow")),
        items_log(&database.connect_as("slow")),
    ]
    .into_iter()
    .map(|log| {
        let step = step.clone();
        tokio::spawn(async move { log.append(&step).await })
    })
    .collect();
    eventually("all of them wait", async || {
        waiting(&database, "slow append").await == 3
    })
    .await;
    holder.close().await.expect("the lock is let go");
    for answer in futures::future::join_all(tries).await {
        let answer = answer.expect("it ends").expect("an answer");
        assert!(matches!(answer, Appended::Done { .. }), "{answer:?}");
    }
    assert_eq!(all(&slow).await.len(), 3, "once");
}

#[tokio::test]
async fn a_held_lock_makes_that_log_unavailable_within_its_timeout_while_other_logs_go_on() {
    let database = TestDatabase::create().await;
    let connections = database.connect_as("held");
    let log = items_log(&connections);
    let (head, holder) = held(&database, &log).await;
    let started = Instant::now();
    let blocked = tokio::spawn({
        let log = log.clone();
        async move { log.append(&append(head, vec![put("x", 2, "blocked")])).await }
    });
    eventually("the append waits", async || {
        waiting(&database, "held append").await == 1
    })
    .await;
    let other = PgLog::new::<OtherLog>(&connections);
    record(&other, vec![put("x", 1, "free")]).await;
    assert!(!blocked.is_finished(), "the other log went on while this one was held");
    let outcome = blocked.await.expect("it ends");
    assert!(matches!(outcome, Err(AppendError::Unavailable(_))), "{outcome:?}");
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "the lock timeout is 2 s: {:?}",
        started.elapsed()
    );
    holder.close().await.expect("the lock is let go");
    record(&log, vec![put("x", 2, "afterwards")]).await;
    assert_eq!(all(&log).await.len(), 2);
}

#[tokio::test]
async fn a_server_that_is_away_makes_the_log_unavailable() {
    let config = callboard_postgres::DatabaseConfig::new("postgres://postgres@127.0.0.1:1/nowhere");
    let log = items_log(&callboard_postgres::Database::new(config).expect("a URL"));
    let outcome = log
        .append(&append(Checkpoint::START, vec![put("x", 1, "nowhere")]))
        .await;
    assert!(matches!(outcome, Err(AppendError::Unavailable(_))), "{outcome:?}");
    assert!(log.head().await.is_err());
}

#[tokio::test]
async fn an_idle_connection_that_the_server_closed_is_replaced_before_it_is_used() {
    let database = TestDatabase::create().await;
    let log = items_log(&database.connect_as("idle"));
    record(&log, vec![put("x", 1, "before")]).await;
    terminate(&database, "idle append").await;
    // A connection is trusted for a second after its last use.
    let trusted_until = Instant::now() + Duration::from_millis(1_100);
    eventually("a second passes", async || Instant::now() > trusted_until).await;
    record(&log, vec![put("x", 2, "after")]).await;
}

#[tokio::test]
async fn a_lock_holds_everyone_else_up_until_it_is_dropped() {
    let database = TestDatabase::create().await;
    let log = items_log(&database.connect());
    let head = record(&log, vec![put("x", 1, "first")]).await;
    let other = items_log(&database.connect_as("other"));
    let mut locked = log.lock().await.expect("the lock");
    let task = tokio::spawn(async move { other.append(&append(head, vec![put("x", 2, "waited")])).await });
    eventually("the other waits", async || {
        waiting(&database, "other append").await == 1
    })
    .await;
    let slice = locked.read(Position::START, 10).await.expect("a slice");
    assert_eq!(
        (slice.events.len(), slice.events[0].position),
        (1, Position::new(1)),
        "the head stands still"
    );
    drop(locked);
    let answer = task.await.expect("it ends").expect("an answer");
    assert!(matches!(answer, Appended::Done { .. }), "{answer:?}");
}

#[tokio::test]
async fn an_append_under_the_lock_makes_the_one_that_waited_see_the_moved_head() {
    let database = TestDatabase::create().await;
    let log = items_log(&database.connect());
    let expected = record(&log, vec![put("x", 1, "first")]).await;
    let other = items_log(&database.connect_as("other"));
    let locked = log.lock().await.expect("the lock");
    let task = tokio::spawn(async move { other.append(&append(expected, vec![put("y", 1, "late")])).await });
    eventually("the other waits", async || {
        waiting(&database, "other append").await == 1
    })
    .await;
    let answer = locked
        .append(&append(expected, vec![put("x", 2, "locked")]))
        .await
        .expect("an answer");
    assert!(matches!(answer, Appended::Done { .. }), "{answer:?}");
    match task.await.expect("it ends").expect("an answer") {
        Appended::HeadMoved(moved) => assert_eq!(moved, head(&log).await),
        other => panic!("the head has moved: {other:?}"),
    }
}

#[tokio::test]
async fn a_lock_whose_future_was_dropped_is_let_go() {
    let database = TestDatabase::create().await;
    let log = items_log(&database.connect_as("dropped"));
    let (head, holder) = held(&database, &log).await;
    let task = tokio::spawn({
        let log = log.clone();
        async move { log.lock().await.map(drop) }
    });
    eventually("the lock is waited for", async || {
        waiting(&database, "dropped append").await == 1
    })
    .await;
    task.abort();
    assert!(task.await.expect_err("it was aborted").is_cancelled());
    holder.close().await.expect("the lock is let go");
    let answer = log
        .append(&append(head, vec![put("x", 2, "free")]))
        .await
        .expect("an answer");
    assert!(matches!(answer, Appended::Done { .. }), "{answer:?}");
}

#[tokio::test]
async fn reads_page_through_the_log_and_notice_its_end() {
    let database = TestDatabase::create().await;
    let log = PgLog::for_queries::<ItemsLog>(&database.connect());
    let writer = items_log(&database.connect());
    record(&writer, (1..=25).map(|version| put("x", version, "many")).collect()).await;
    let events = all(&log).await;
    let (mut at, mut walked) = (Checkpoint::START, Vec::new());
    loop {
        let slice = log.read(at.position, 10).await.expect("a slice");
        assert_eq!(slice.anchor, Some(at.event_id));
        let Some(last) = slice.events.last() else { break };
        at = last.checkpoint();
        walked.extend(slice.events);
    }
    assert_eq!(walked, events);
    assert_eq!(log.read(Position::new(26), 10).await.expect("a slice").anchor, None);
}
