//! A server that has trouble of its own: deadlocks, a full disk, a pool without a free connection.

mod common;

use std::time::{Duration, Instant};

use callboard::Checkpoint;
use callboard::contract::Items;
use callboard::log::{AppendError, Appended, LogStore};
use callboard::subscription::{Applied, Lock, Subscriber};
use callboard::view::ViewStore;
use callboard_postgres::PgView;
use callboard_postgres::testing::TestDatabase;
use common::{all, all_items, append, filled, head, items_database, items_log, put, shelves};

/// The next so many inserts into a table fail with this SQLSTATE. A sequence counts them, because no
/// rollback takes its numbers back.
async fn fail_inserts(database: &TestDatabase, table: &str, times: u32, code: &str) {
    let trouble = format!(
        "create sequence public.troubles;
         grant usage on sequence public.troubles to public;
         create function public.trouble() returns trigger language plpgsql as $$
         begin
             if nextval('public.troubles') <= {times} then
                 raise exception 'trouble' using errcode = '{code}';
             end if;
             return null;
         end $$;
         create trigger trouble after insert on {table} for each statement execute function public.trouble();"
    );
    database.execute(&trouble).await;
}

async fn troubles(database: &TestDatabase) -> Vec<String> {
    database.texts("select last_value::text from public.troubles").await
}

#[tokio::test]
async fn a_run_that_meets_deadlocks_is_tried_again_and_applied_once() {
    for code in ["40P01", "40001"] {
        let database = items_database().await;
        let (_connections, log, mut projection) = filled(&database, 3).await;
        projection.start().await.expect("it starts");
        fail_inserts(&database, "contract.items", 3, code).await;
        let applied = projection.apply(&all_items(&log).await, Lock::Wait).await;
        assert!(
            matches!(applied, Ok(Applied::Moved { events: 3, .. })),
            "{code}: {applied:?}"
        );
        assert_eq!(troubles(&database).await, ["4"], "three times in vain");
        let rows = shelves(&database).await;
        assert!(
            rows.len() == 3 && rows.iter().all(|row| row.ends_with(" 1")),
            "{rows:?}"
        );
    }
}

#[tokio::test]
async fn an_append_that_meets_a_deadlock_or_a_full_disk_records_nothing_and_is_done_when_repeated() {
    // Deadlock, serialization failure, disk full, out of memory, too many connections.
    for code in ["40P01", "40001", "53100", "53200", "53300"] {
        let database = TestDatabase::create().await;
        let log = items_log(&database.connect());
        fail_inserts(&database, "callboard.events", 2, code).await;
        let step = append(Checkpoint::START, vec![put("x", 1, "first"), put("y", 1, "second")]);
        for _ in 0..2 {
            let outcome = log.append(&step).await;
            assert!(
                matches!(outcome, Err(AppendError::Unavailable(_))),
                "{code}: {outcome:?}"
            );
            assert_eq!(head(&log).await, Checkpoint::START, "nothing partial");
        }
        let outcome = log.append(&step).await;
        assert!(matches!(outcome, Ok(Appended::Done { .. })), "{code}: {outcome:?}");
        assert_eq!(all(&log).await.len(), 2);
    }
}

#[tokio::test]
async fn while_all_connections_for_queries_are_taken_queries_fail_soon_and_the_rest_goes_on() {
    let database = items_database().await;
    let (connections, log, mut projection) = filled(&database, 3).await;
    let view = PgView::<Items>::new(&connections);
    let mut taken = Vec::new();
    for _ in 0..connections.queries().options().get_max_connections() {
        taken.push(connections.queries().acquire().await.expect("a connection"));
    }
    let asked = Instant::now();
    view.standing().await.expect_err("no connection is free");
    connections.ping().await.expect_err("no connection is free");
    assert!(
        asked.elapsed() < Duration::from_secs(6),
        "each within three seconds: {:?}",
        asked.elapsed()
    );
    let step = append(head(&log).await, vec![put("meanwhile", 1, "recorded")]);
    let outcome = log.append(&step).await;
    assert!(matches!(outcome, Ok(Appended::Done { .. })), "{outcome:?}");
    projection.start().await.expect("it starts");
    let applied = projection.apply(&all_items(&log).await, Lock::Wait).await;
    assert!(matches!(applied, Ok(Applied::Moved { events: 4, .. })), "{applied:?}");
    drop(taken);
    assert_eq!(view.standing().await.expect("a connection is free").position.get(), 4);
}
