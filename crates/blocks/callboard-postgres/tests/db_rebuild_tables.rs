//! What a rebuilt table has in common with the one that it replaces, and what can't be rebuilt.

mod common;

use callboard::Projection;
use callboard::contract::{ItemEvent, ItemFact, Items};
use callboard::subscription::Subscriber;
use callboard_postgres::testing::TestDatabase;
use callboard_postgres::{
    Database, DatabaseConfig, PgProjection, PgRebuild, PostgresError, RebuildStep, Rebuildable, migrate,
    rebuild_projection,
};
use common::{
    ITEMS_TABLE, applied, apply_all, event, eventually, fact, filled, folded, items_database, items_log, put, record,
    shelves,
};

async fn rebuild(connections: &Database) {
    rebuild_projection(connections, Rebuildable::of::<Items>(), None, true)
        .await
        .expect("it is asked for");
    let mut rebuild = PgRebuild::<Items>::new(connections);
    eventually("the swap", async || match rebuild.run_once().await.expect("a step") {
        RebuildStep::Swapped { .. } => true,
        RebuildStep::Failed { reason } => panic!("{reason}"),
        _ => false,
    })
    .await;
}

/// Everything that the catalog says about the table, by name.
async fn described(database: &TestDatabase) -> Vec<String> {
    let oid = "'contract.items'::regclass";
    let queries = [
        format!(
            "select 'table ' || concat_ws(' ', relowner::regrole, relacl::text, reloptions::text, relpersistence, obj_description(oid)) from pg_class where oid = {oid}"
        ),
        format!(
            "select 'column ' || concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull, attcollation, attacl::text, attstattarget, attcompression, col_description(attrelid, attnum), (select pg_get_expr(adbin, adrelid) from pg_attrdef where adrelid = attrelid and adnum = attnum)) from pg_attribute where attrelid = {oid} and attnum > 0 and not attisdropped order by attnum"
        ),
        format!(
            "select 'constraint ' || concat_ws(' ', conname, pg_get_constraintdef(oid), obj_description(oid)) from pg_constraint where conrelid = {oid} order by conname"
        ),
        format!(
            "select 'index ' || concat_ws(' ', pg_get_indexdef(indexrelid), obj_description(indexrelid)) from pg_index where indrelid = {oid} order by 1"
        ),
    ];
    let mut lines = Vec::new();
    for query in queries {
        lines.extend(database.texts(&query).await);
    }
    lines
}

#[tokio::test]
async fn a_rebuilt_table_is_in_every_respect_as_it_was() {
    let database = items_database().await;
    let (connections, log, mut projection) = filled(&database, 5).await;
    database
        .execute(
            r#"
            alter table contract.items set (fillfactor = 70, toast.autovacuum_enabled = false);
            alter table contract.items alter column note set default 'it''s', alter column label set statistics 7;
            alter table contract.items add constraint "Weighs something" check (weight > 0);
            alter table contract.items add constraint one_label_each unique (label, shelf) deferrable;
            create index "By weight" on contract.items (weight desc, lower(label)) with (fillfactor = 60) where weight > 1;
            create unique index prices on contract.items (price, shelf) include (note);
            comment on table contract.items is 'what we have';
            comment on column contract.items.price is 'net';
            comment on index contract."By weight" is 'for the report';
            comment on constraint items_pkey on contract.items is 'the key';
            grant select (shelf, weight) on contract.items to public;
            grant select on contract.items to callboard_service with grant option;
            "#,
        )
        .await;
    projection.start().await.expect("it starts");
    let before = described(&database).await;
    assert_eq!(before.len(), 15, "{before:#?}");
    for _ in 0..2 {
        rebuild(&connections).await;
        assert_eq!(described(&database).await, before);
        assert_eq!(shelves(&database).await, folded::<Items>(&log).await);
    }
    record(&log, vec![put("s1", 2, "on")]).await;
    assert_eq!(apply_all(&mut projection, &log).await, 1);
}

#[tokio::test]
async fn rights_that_are_granted_meanwhile_come_along() {
    let database = items_database().await;
    let (connections, _log, mut projection) = filled(&database, 5).await;
    projection.start().await.expect("it starts");
    rebuild_projection(&connections, Rebuildable::of::<Items>(), None, true)
        .await
        .expect("it is asked for");
    let mut rebuild = PgRebuild::<Items>::new(&connections);
    assert_eq!(rebuild.run_once().await.expect("a step"), RebuildStep::Began);
    database.execute("grant select on contract.items to public").await;
    let before = described(&database).await;
    eventually("the swap", async || {
        matches!(rebuild.run_once().await, Ok(RebuildStep::Swapped { .. }))
    })
    .await;
    assert_eq!(described(&database).await, before);
}

#[tokio::test]
async fn what_cannot_be_carried_over_is_refused_by_name() {
    let database = items_database().await;
    let (connections, _log, mut projection) = filled(&database, 5).await;
    projection.start().await.expect("it starts");
    let hanging = [
        (
            "create view contract.heavy as select * from contract.items",
            "view contract.heavy",
            "drop view contract.heavy",
        ),
        (
            "create function contract.f() returns trigger language plpgsql as 'begin return new; end'; \
             create trigger told after insert on contract.items for each row execute function contract.f()",
            "trigger told",
            "drop trigger told on contract.items",
        ),
        (
            "create table contract.marks (shelf text, number bigint, \
             constraint of_item foreign key (shelf, number) references contract.items)",
            "constraint of_item",
            "drop table contract.marks",
        ),
        (
            "create policy mine on contract.items",
            "policy mine",
            "drop policy mine on contract.items",
        ),
        (
            "create publication told_abroad for table contract.items",
            "publication told_abroad",
            "drop publication told_abroad",
        ),
        (
            "alter table contract.items enable row level security",
            "row level security",
            "alter table contract.items disable row level security",
        ),
    ];
    for (create, named, away) in hanging {
        database.execute(create).await;
        for keep in [false, true] {
            let refused = rebuild_projection(&connections, Rebuildable::of::<Items>(), None, keep).await;
            match refused {
                Err(PostgresError::Refused { reason, .. }) => assert!(reason.contains(named), "{reason}"),
                other => panic!("{named}: {other:?}"),
            }
        }
        database.execute(away).await;
    }
    rebuild(&connections).await;
}

#[tokio::test]
async fn what_comes_to_hang_on_the_table_meanwhile_fails_the_rebuild() {
    for (change, named) in [
        (
            "create view contract.heavy as select * from contract.items",
            "view contract.heavy",
        ),
        ("alter table contract.items add column more text", "columns"),
    ] {
        let database = items_database().await;
        let (connections, _log, mut projection) = filled(&database, 5).await;
        projection.start().await.expect("it starts");
        rebuild_projection(&connections, Rebuildable::of::<Items>(), None, true)
            .await
            .expect("it is asked for");
        let mut rebuild = PgRebuild::<Items>::new(&connections);
        assert_eq!(rebuild.run_once().await.expect("a step"), RebuildStep::Began);
        database.execute(change).await;
        let mut reason = None;
        eventually("it fails", async || {
            if let RebuildStep::Failed { reason: why } = rebuild.run_once().await.expect("a step") {
                reason = Some(why);
            }
            reason.is_some()
        })
        .await;
        let reason = reason.expect("it failed");
        assert!(reason.contains(named), "{reason}");
    }
}

#[tokio::test]
async fn the_functions_take_nobody_elses_table() {
    let database = items_database().await;
    database
        .execute("create schema private; create table private.secrets (id bigint primary key)")
        .await;
    let connections = database.connect();
    for (table, word) in [
        ("callboard.events", "no schema for read tables"),
        ("pg_catalog.pg_class", "no schema for read tables"),
        ("private.secrets", "must be owned"),
        ("contract.nothing", "no table"),
        ("contract.items; drop table contract.items", ""),
    ] {
        for function in [
            "create_shadow",
            "swap_shadow",
            "undo_swap",
            "drop_replaced",
            "analyze_shadow",
        ] {
            let called = sqlx::query(sqlx::AssertSqlSafe(format!("select callboard.{function}($1)")))
                .bind(table)
                .execute(connections.background())
                .await;
            let error = called.expect_err(table).to_string();
            assert!(error.contains(word), "{function}({table}): {error}");
        }
    }
    for inner in [
        "copy_rights(1, 1)",
        "copy_indexes(1, 1)",
        "ensure_schema_beside(1, 'x')",
    ] {
        let called = sqlx::query(sqlx::AssertSqlSafe(format!("select callboard.{inner}")))
            .execute(connections.background())
            .await;
        let error = called.expect_err(inner).to_string();
        assert!(error.contains("permission denied"), "{inner}: {error}");
    }
    assert_eq!(shelves(&database).await, Vec::<String>::new(), "the table is there");
}

#[tokio::test]
async fn a_service_that_owns_nothing_rebuilds_tables_of_a_plain_owner() {
    let roles = TestDatabase::create().await;
    let [owner, service] =
        ["owner", "service"].map(|of| format!("callboard_test_{of}_{}", uuid::Uuid::new_v4().simple()));
    for login in [&owner, &service] {
        roles
            .execute(&format!("create role {login} login password 'for this test'"))
            .await;
    }
    roles.execute(&format!("grant callboard_service to {service}")).await;
    {
        let database = TestDatabase::create_empty().await;
        database
            .execute(&format!("alter database {} owner to {owner}", database.name()))
            .await;
        let (_, server) = database.url().split_once('@').expect("a URL with a user");
        let url = |login: &str| format!("postgres://{login}:for%20this%20test@{server}");
        migrate(&url(&owner)).await.expect("it migrates");
        database.execute(&format!("set role {owner}; {ITEMS_TABLE}")).await;
        let connections = Database::new(DatabaseConfig::new(url(&service))).expect("a URL");
        let log = items_log(&connections);
        record(
            &log,
            (1..=5).map(|number| put(&format!("s{number}"), 1, "plain")).collect(),
        )
        .await;
        PgProjection::<Items>::new(&connections)
            .start()
            .await
            .expect("it starts");
        for _ in 0..2 {
            rebuild(&connections).await;
        }
        assert_eq!(shelves(&database).await, folded::<Items>(&log).await);
        let made = sqlx::query("create table contract.own (id bigint)")
            .execute(connections.background())
            .await;
        assert!(made.is_err(), "it may make no table of its own");
        connections.close().await;
        assert_eq!(Items::TABLE, "contract.items");
    }
    roles.execute(&format!("drop role {owner}; drop role {service}")).await;
}

#[tokio::test]
async fn a_rebuild_that_forgets_rows_in_between_folds_the_same() {
    let database = items_database().await;
    let (connections, log, _) = applied(&database, 5).await;
    // Shelves that come back much later, some after they were gone, among ever new ones.
    let of = |number: u64| if number.is_multiple_of(3) { number } else { number % 37 };
    let mut versions = std::collections::HashMap::new();
    let events = (6..900_u64).map(|number| {
        let shelf = format!("s{}", of(number));
        let version = versions.entry(shelf.clone()).or_insert(u64::from(of(number) <= 5));
        *version += 1;
        let fact = ItemFact {
            shelf: shelf.clone(),
            ..fact("plain", 1)
        };
        let of = if number.is_multiple_of(7) {
            ItemEvent::Removed(fact)
        } else {
            ItemEvent::Put(fact)
        };
        event(&shelf, *version, &of)
    });
    record(&log, events.collect()).await;
    // Chunks of 50 events, of whose rows 10 are kept.
    rebuild_projection(&connections, Rebuildable::of::<Items>(), Some(50), true)
        .await
        .expect("it is asked for");
    let mut rebuild = PgRebuild::<Items>::new(&connections).keeping(10);
    eventually("the swap", async || match rebuild.run_once().await.expect("a step") {
        // A row that is taken for new and is there already: found out, and looked up after all.
        RebuildStep::Smaller => panic!("it forgot which keys there are"),
        step => matches!(step, RebuildStep::Swapped { .. }),
    })
    .await;
    assert_eq!(shelves(&database).await, folded::<Items>(&log).await);
}

#[tokio::test]
async fn rows_that_are_written_in_many_pieces_are_all_written() {
    let database = items_database().await;
    let (connections, log, _) = applied(&database, 5).await;
    // Some 300 KB of new rows in one chunk; in the next, as much of changed ones, and more keys without
    // a row than are deleted at once.
    let events = |version: u64| {
        let of = move |number: u64| {
            let shelf = format!("long-{number}");
            let label = format!("{version} {}", "x".repeat(200));
            let fact = ItemFact {
                shelf: shelf.clone(),
                label,
                ..fact("plain", 1)
            };
            let gone = version == 2 && number.is_multiple_of(2);
            let fact = if gone {
                ItemEvent::Removed(fact)
            } else {
                ItemEvent::Put(fact)
            };
            event(&shelf, version, &fact)
        };
        (0..2_500).map(of).collect::<Vec<_>>()
    };
    record(&log, events(1)).await;
    record(&log, events(2)).await;
    rebuild_projection(&connections, Rebuildable::of::<Items>(), Some(2_505), true)
        .await
        .expect("it is asked for");
    let mut rebuild = PgRebuild::<Items>::new(&connections);
    let mut chunks = 0;
    eventually("the swap", async || match rebuild.run_once().await.expect("a step") {
        RebuildStep::Moved { events, .. } => {
            chunks += usize::from(events > 0);
            false
        }
        step => matches!(step, RebuildStep::Swapped { .. }),
    })
    .await;
    assert_eq!(chunks, 2);
    assert_eq!(shelves(&database).await, folded::<Items>(&log).await);
}
