//! What the schema itself holds: bounds, keys, and that nobody rewrites history.

mod common;

use std::time::Duration;

use callboard::log::{Append, AppendError, Appended, LogStore, NewEvent};
use callboard::{Checkpoint, Metadata, StreamName};
use callboard_postgres::delete_expired_keys;
use callboard_postgres::testing::TestDatabase;
use common::{all, append, head, items_log, key, put, record};
use serde_json::value::RawValue;

fn with_data(data: &str) -> NewEvent {
    NewEvent {
        data: RawValue::from_string(data.into()).expect("JSON").into(),
        ..put("x", 1, "any")
    }
}

#[tokio::test]
async fn what_breaks_a_bound_is_rejected_and_records_nothing() {
    let database = TestDatabase::create().await;
    let log = items_log(&database.connect());
    let long = |length| "x".repeat(length);
    let broken = [
        vec![with_data(&format!("\"{}\"", long(256 * 1024)))],
        vec![with_data(r#"{"nul": "\u0000"}"#)],
        vec![NewEvent {
            metadata: Metadata {
                actor: Some(long(256).into()),
                ..Metadata::default()
            },
            ..put("x", 1, "a")
        }],
        vec![NewEvent {
            event_type: "no visible type",
            ..put("x", 1, "a")
        }],
        vec![NewEvent {
            schema_version: 0,
            ..put("x", 1, "a")
        }],
        vec![NewEvent {
            schema_version: u32::MAX,
            ..put("x", 1, "a")
        }],
        (1..=10_001).map(|version| put("x", version, "a")).collect(),
        (1..=33)
            .map(|version| NewEvent {
                version: callboard::Version::new(version),
                ..with_data(&format!("\"{}\"", long(255 * 1024)))
            })
            .collect(),
        vec![put("x", 1, "a"), put("x", 1, "the version is taken")],
    ];
    for events in broken {
        let shown = format!("{:.200}", format!("{:?}", events[0]));
        let refused = log.append(&append(Checkpoint::START, events)).await;
        assert!(
            matches!(refused, Err(AppendError::Rejected(_))),
            "{refused:?} for {shown}"
        );
    }
    assert_eq!(head(&log).await, Checkpoint::START, "nothing was recorded");
    // The connection is as good as before.
    record(&log, vec![put("x", 1, "fine")]).await;
}

#[tokio::test]
async fn text_that_merely_speaks_of_a_nul_is_recorded_as_it_is() {
    let database = TestDatabase::create().await;
    let log = items_log(&database.connect());
    let text = r#"{"not a nul": "\\u0000", "wide": "\ud83d\ude00"}"#;
    record(&log, vec![with_data(text)]).await;
    assert_eq!(all(&log).await[0].event.data.get(), text);
}

#[tokio::test]
async fn the_largest_of_everything_is_recorded() {
    let database = TestDatabase::create().await;
    let log = items_log(&database.connect());
    let field = Some("x".repeat(255).into());
    let metadata = Metadata {
        correlation_id: field.clone(),
        actor: field.clone(),
        traceparent: field,
        causation_id: None,
    };
    let stream = StreamName::parse(&"s".repeat(200)).expect("200 characters");
    let data = format!("\"{}\"", "x".repeat(256 * 1024 - 2));
    record(
        &log,
        vec![NewEvent {
            metadata,
            stream,
            ..with_data(&data)
        }],
    )
    .await;
    let many: Vec<_> = (1..=10_000).map(|version| put("many", version, "small")).collect();
    assert_eq!(record(&log, many).await.position.get(), 10_001);
}

#[tokio::test]
async fn the_services_role_can_append_and_read_but_never_rewrite() {
    let database = TestDatabase::create().await;
    let log = items_log(&database.connect());
    record(&log, vec![put("x", 1, "history")]).await;
    for statement in [
        "update callboard.events set data = '{}'",
        "delete from callboard.events",
        "truncate callboard.events",
        "insert into callboard.events select log, position + 1, stream, version + 1, gen_random_uuid(), type, \
         schema_version, data, metadata, recorded_at from callboard.events",
        "update callboard.logs set log = 'other'",
        "insert into callboard.logs (log) values ('other')",
        "delete from callboard.logs",
        "select from callboard.logs for update",
        "truncate callboard.logs",
        "update callboard.idempotency_keys set key = 'x'",
        "delete from callboard.idempotency_keys",
        "truncate callboard.idempotency_keys",
        "alter table callboard.events disable trigger all",
        "drop table callboard.events",
        "create or replace function callboard.ensure_log(in_log text) returns void language sql as 'select'",
        "create table callboard.own (x integer)",
    ] {
        let mut connection = database.admin().await;
        sqlx::raw_sql("set role callboard_service")
            .execute(&mut connection)
            .await
            .expect("the role exists");
        let refused = sqlx::raw_sql(statement).execute(&mut connection).await;
        match refused {
            Err(sqlx::Error::Database(error)) => {
                assert_eq!(error.code().as_deref(), Some("42501"), "{statement}: {error}");
            }
            other => panic!("{statement}: {other:?}"),
        }
    }
    assert_eq!(all(&log).await.len(), 1);
    let role = database.texts(
        "select rolname::text from pg_roles where rolname = 'callboard_service' and not rolcanlogin and not rolsuper",
    );
    assert_eq!(role.await.len(), 1);
}

#[tokio::test]
async fn a_services_connections_are_in_the_services_role() {
    let database = TestDatabase::create().await;
    let connections = database.connect();
    for pool in [connections.queries(), connections.background()] {
        let role: String = sqlx::query_scalar("select current_user::text")
            .fetch_one(pool)
            .await
            .expect("a row");
        assert_eq!(role, callboard_postgres::SERVICE_ROLE);
        for setting in [
            "statement_timeout",
            "lock_timeout",
            "idle_in_transaction_session_timeout",
        ] {
            let value: String = sqlx::query_scalar("select current_setting($1)")
                .bind(setting)
                .fetch_one(pool)
                .await
                .expect("a row");
            assert_ne!(value, "0", "{setting} is set");
        }
    }
    let written = sqlx::query("delete from callboard.checkpoints")
        .execute(connections.queries())
        .await;
    assert!(written.is_err(), "queries can't write");
}

#[tokio::test]
async fn a_known_key_answers_with_its_receipt_also_after_the_log_went_on() {
    let database = TestDatabase::create().await;
    let log = items_log(&database.connect());
    let first = Append {
        keys: vec![key("k")],
        ..append(Checkpoint::START, vec![put("x", 1, "keyed")])
    };
    assert!(matches!(
        log.append(&first).await.expect("an answer"),
        Appended::Done { .. }
    ));
    record(&log, vec![put("x", 2, "another")]).await;
    // Decided on an old head: the known key comes before the comparison of heads.
    let stale = Append {
        keys: vec![key("new"), key("k")],
        ..append(Checkpoint::START, vec![put("x", 3, "again")])
    };
    match log.append(&stale).await.expect("an answer") {
        Appended::KnownKeys(known) => {
            assert_eq!((known.len(), known[0].index, known[0].fingerprint), (1, 1, [9; 32]));
            assert_eq!(known[0].receipt.get(), r#"{"of":"k"}"#);
        }
        other => panic!("k is known: {other:?}"),
    }
    assert_eq!(all(&log).await.len(), 2);
}

#[tokio::test]
async fn keys_alone_are_stored_only_on_the_present_head() {
    let database = TestDatabase::create().await;
    let log = items_log(&database.connect());
    let head = record(&log, vec![put("x", 1, "first")]).await;
    let alone = |expected| Append {
        keys: vec![key("alone")],
        ..append(expected, Vec::new())
    };
    let stale = log.append(&alone(Checkpoint::START)).await.expect("an answer");
    assert!(
        matches!(stale, Appended::HeadMoved(moved) if moved == head),
        "{stale:?}"
    );
    let stored = log.append(&alone(head)).await.expect("an answer");
    assert!(matches!(stored, Appended::Done { .. }), "{stored:?}");
    let known = log.append(&alone(head)).await.expect("an answer");
    assert!(matches!(known, Appended::KnownKeys(_)), "{known:?}");
}

#[tokio::test]
async fn expired_keys_are_deleted_in_small_batches_and_may_be_used_again() {
    let database = TestDatabase::create().await;
    let connections = database.connect();
    let log = items_log(&connections);
    let keys = ["a", "b", "c", "fresh"].map(key).to_vec();
    let stored = Append {
        keys,
        ..append(Checkpoint::START, vec![put("x", 1, "keyed")])
    };
    log.append(&stored).await.expect("an answer");
    database
        .execute(
            "update callboard.idempotency_keys set recorded_at = recorded_at - interval '8 days' where key <> 'fresh'",
        )
        .await;
    let week = callboard_postgres::KEYS_KEPT_FOR;
    assert_eq!(delete_expired_keys(&connections, week, 2).await.expect("it deletes"), 2);
    assert_eq!(delete_expired_keys(&connections, week, 2).await.expect("it deletes"), 1);
    assert_eq!(delete_expired_keys(&connections, week, 2).await.expect("it deletes"), 0);
    assert_eq!(
        database.texts("select key from callboard.idempotency_keys").await,
        ["fresh"]
    );
    let again = Append {
        keys: vec![key("a")],
        ..append(head(&log).await, vec![put("x", 2, "again")])
    };
    assert!(matches!(
        log.append(&again).await.expect("an answer"),
        Appended::Done { .. }
    ));
    assert_eq!(
        delete_expired_keys(&connections, Duration::ZERO, 100)
            .await
            .expect("it deletes"),
        2
    );
}

#[tokio::test]
async fn only_an_append_that_lost_does_not_wait_for_the_disk() {
    let database = TestDatabase::create().await;
    let log = items_log(&database.connect());
    let mut connection = database.admin().await;
    let mut append = async |expected: i64, id: &str| {
        sqlx::raw_sql("begin")
            .execute(&mut connection)
            .await
            .expect("a transaction");
        let query = "select outcome, current_setting('synchronous_commit') from (
            select (callboard.append('items', $1, $2::uuid, array[gen_random_uuid()], '{x}', '{1}', '{Put}', '{1}',
                array['null'], array['{}'], '{}', '{}', '{}', '{}')).outcome
            offset 0
        ) appended";
        let answer: (String, String) = sqlx::query_as(query)
            .bind(expected)
            .bind(id)
            .fetch_one(&mut connection)
            .await
            .expect("an answer");
        sqlx::raw_sql("rollback")
            .execute(&mut connection)
            .await
            .expect("its end");
        answer
    };
    let nil = "00000000-0000-0000-0000-000000000000";
    assert_eq!(append(0, nil).await, ("done".into(), "on".into()));
    record(&log, vec![put("x", 1, "first")]).await;
    assert_eq!(append(0, nil).await, ("moved".into(), "off".into()));
}
