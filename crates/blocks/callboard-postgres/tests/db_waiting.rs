//! Queries: those that wait for a position, and those that somebody made up.

mod common;

use std::time::Duration;

use callboard::contract::Items;
use callboard::subscription::{Lock, Subscriber};
use callboard::view::ViewStore;
use callboard::{Page, Position, Views};
use callboard_postgres::{PgProjection, PgView, PgViews};
use common::{all_items, applied, eventually, filled, items_database, items_log, put, record};
use serde_json::json;
use tokio::time::Instant;

#[tokio::test]
async fn a_query_that_waits_is_woken_by_a_commit_here_and_by_one_elsewhere() {
    let database = items_database().await;
    let (connections, log, mut here) = filled(&database, 2).await;
    let elsewhere = database.connect();
    let view = PgViews::new(&connections).view::<Items>();
    here.start().await.expect("it starts");
    let events = all_items(&log).await;
    let wait = |position| {
        let view = view.clone();
        let deadline = Instant::now() + common::PATIENCE;
        tokio::spawn(async move {
            view.wait_for(Position::new(position), deadline)
                .await
                .expect("an answer")
        })
    };
    let waiters: Vec<_> = (0..20).map(|_| wait(1)).collect();
    here.apply(&events[..1], Lock::Wait).await.expect("it applies");
    for waiter in waiters {
        assert_eq!(waiter.await.expect("it ends").position, Position::new(1));
    }
    let waiter = wait(2);
    PgProjection::<Items>::new(&elsewhere)
        .apply(&events[1..], Lock::Wait)
        .await
        .expect("it applies");
    assert_eq!(waiter.await.expect("it ends").position, Position::new(2));
    // Nobody waits any more: nobody asks any more, and the next one who waits is served again.
    let soon = Instant::now() + Duration::from_millis(30);
    assert_eq!(
        view.wait_for(Position::new(3), soon).await.expect("an answer").position,
        Position::new(2)
    );
    assert!(Instant::now() >= soon, "it waited as long as it was asked to");
}

#[tokio::test]
async fn a_commit_here_wakes_the_waiting_query_without_asking_the_database() {
    let database = items_database().await;
    let connections = database.connect_as("asker");
    let log = items_log(&connections);
    record(&log, vec![put("x", 1, "plain")]).await;
    let mut projection = PgProjection::<Items>::new(&connections);
    projection.start().await.expect("it starts");
    let view = PgViews::new(&connections).view::<Items>();
    let deadline = Instant::now() + common::PATIENCE;
    let waiter = tokio::spawn(async move { view.wait_for(Position::new(1), deadline).await });
    eventually("it asks", async || {
        common::backends(&database, "asker queries").await > 0
    })
    .await;
    // From here on nobody can ask: every connection for queries is taken.
    let mut taken = Vec::new();
    for _ in 0..4 {
        taken.push(connections.queries().acquire().await.expect("a connection"));
    }
    projection
        .apply(&all_items(&log).await, Lock::Wait)
        .await
        .expect("it applies");
    assert_eq!(
        waiter.await.expect("it ends").expect("an answer").position,
        Position::new(1)
    );
}

#[tokio::test]
async fn waiting_outlives_a_lost_connection() {
    let database = items_database().await;
    let (_connections, log, mut projection) = filled(&database, 1).await;
    let queries = database.connect_as("asker");
    let view = PgViews::new(&queries).view::<Items>();
    projection.start().await.expect("it starts");
    let deadline = Instant::now() + common::PATIENCE;
    let waiter = tokio::spawn(async move { view.wait_for(Position::new(1), deadline).await });
    eventually("it asks", async || {
        common::backends(&database, "asker queries").await > 0
    })
    .await;
    common::terminate(&database, "asker queries").await;
    projection
        .apply(&all_items(&log).await, Lock::Wait)
        .await
        .expect("it applies");
    match waiter.await.expect("it ends") {
        Ok(standing) => assert_eq!(standing.position, Position::new(1)),
        // The first look itself may have been cut off.
        Err(error) => assert_eq!(error.view, "items"),
    }
}

#[tokio::test]
async fn cursors_and_filters_that_somebody_made_up_match_nothing() {
    let database = items_database().await;
    let (connections, ..) = applied(&database, 3).await;
    let view = PgView::<Items>::new(&connections);
    let page = Page {
        limit: 10,
        ..Page::default()
    };
    let after = |after: Vec<serde_json::Value>| Page {
        after: Some(after),
        ..page.clone()
    };
    for made_up in [
        after(vec![json!("s1"), json!("no number")]),
        after(vec![json!("s1")]),
        after(vec![json!(null), json!(1)]),
        after(vec![json!("\u{0}"), json!(1)]),
        Page {
            equal: vec![("weight", json!("' or true --"))],
            ..page.clone()
        },
        Page {
            equal: vec![("weight", json!(1e300))],
            ..page.clone()
        },
        Page {
            equal: vec![("changed_at", json!("yesterdayish"))],
            ..page.clone()
        },
    ] {
        assert_eq!(view.page(&made_up).await.expect("a page"), Vec::new(), "{made_up:?}");
    }
    assert!(
        view.page(&Page {
            order_by: Some("no_column"),
            ..page.clone()
        })
        .await
        .is_err(),
        "a fault of the code"
    );
    assert_eq!(view.page(&page).await.expect("a page").len(), 3);
}
