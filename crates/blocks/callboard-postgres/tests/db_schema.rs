//! Migrations, and that every query suits the migrated schema.

use std::path::Path;

use callboard::contract::ItemsLog;
use callboard::log::{Append, Appended, LogStore};
use callboard_postgres::testing::TestDatabase;
use callboard_postgres::{Database, DatabaseConfig, PgLog, SchemaStatus, migrate, schema_status};
use sqlx::{AssertSqlSafe, Executor, SqlSafeStr};

/// The places of a template, filled for `warehouse.products`.
const PLACES: [(&str, &str); 9] = [
    ("{table}", "warehouse.products"),
    ("{columns}", "t.sku, t.quantity"),
    ("{same_key}", "t.sku = 'x'"),
    ("{names}", "sku, quantity"),
    ("{values}", "v.sku, v.quantity"),
    ("{key}", "sku"),
    ("{update}", "update set quantity = excluded.quantity"),
    ("{conditions}", "true"),
    ("{order}", "t.sku"),
];

#[tokio::test]
async fn every_query_can_be_prepared_against_the_migrated_schema() {
    let database = TestDatabase::create().await;
    let mut connection = database.admin().await;
    let mut files = 0;
    for file in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("queries")).expect("the queries") {
        let path = file.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("text");
        let statement = PLACES
            .iter()
            .fold(text, |text, (place, filling)| text.replace(place, filling));
        assert!(
            !statement.contains('{'),
            "{}: a place that nobody fills",
            path.display()
        );
        if let Err(error) = connection.prepare(AssertSqlSafe(statement).into_sql_str()).await {
            panic!("{}: {error}", path.display());
        }
        files += 1;
    }
    assert!(files > 25, "all of them: {files}");
}

#[tokio::test]
async fn replicas_that_migrate_one_empty_database_at_once_all_succeed() {
    let database = TestDatabase::create_empty().await;
    let replicas = (0..5).map(|_| migrate(database.url()));
    for outcome in futures::future::join_all(replicas).await {
        outcome.expect("one migrates, the others wait");
    }
    let connections = database.connect();
    assert_eq!(
        schema_status(connections.queries()).await.expect("a status"),
        SchemaStatus::Current
    );
    migrate(database.url()).await.expect("again is fine");
}

#[tokio::test]
async fn an_older_binary_meets_a_newer_schema_and_starts() {
    let database = TestDatabase::create().await;
    database
        .execute("insert into callboard.migrations values (9999, 'of tomorrow', now(), true, '\\x00', 1)")
        .await;
    migrate(database.url()).await.expect("the older binary starts");
    let connections = database.connect();
    assert_eq!(
        schema_status(connections.queries()).await.expect("a status"),
        SchemaStatus::Newer
    );
}

#[tokio::test]
async fn a_plain_login_that_owns_its_database_can_migrate_and_serve_in_the_services_role() {
    let roles = TestDatabase::create().await;
    let login = format!("callboard_test_login_{}", uuid::Uuid::new_v4().simple());
    roles
        .execute(&format!("create role {login} login password 'for this test'"))
        .await;
    let served = {
        let database = TestDatabase::create_empty().await;
        database
            .execute(&format!("alter database {} owner to {login}", database.name()))
            .await;
        let (_, server) = database.url().split_once('@').expect("a URL with a user");
        let url = format!("postgres://{login}:for%20this%20test@{server}");
        migrate(&url)
            .await
            .expect("it may not grant the role, and migrates all the same");
        roles.execute(&format!("grant callboard_service to {login}")).await;
        let connections = Database::new(DatabaseConfig::new(url)).expect("a URL");
        let log = PgLog::new::<ItemsLog>(&connections);
        let appended = log.append(&Append::default()).await;
        connections.close().await;
        appended
    };
    roles.execute(&format!("drop role {login}")).await;
    assert!(matches!(served, Ok(Appended::Done { .. })), "{served:?}");
}

#[tokio::test]
async fn a_database_without_the_schema_is_behind() {
    let database = TestDatabase::create_empty().await;
    let pool = sqlx::PgPool::connect(database.url()).await.expect("a connection");
    let status = schema_status(&pool).await.expect("a status");
    assert!(
        matches!(status, SchemaStatus::Behind { missing } if missing > 3),
        "{status:?}"
    );
}

#[tokio::test]
async fn a_database_is_dropped_with_its_value_also_after_a_panic() {
    let kept = TestDatabase::create().await;
    let name = tokio::spawn(async {
        let database = TestDatabase::create().await;
        let name = database.name().to_owned();
        std::panic::resume_unwind(Box::new(name));
    });
    let panic = name.await.expect_err("it panicked").into_panic();
    let name = panic.downcast_ref::<String>().expect("the database's name");
    let left = kept
        .texts(&format!(
            "select datname::text from pg_database where datname = '{name}'"
        ))
        .await;
    assert_eq!(left, Vec::<String>::new());
}
