//! The look at a database that comes before everything else.

use callboard_postgres::testing::TestDatabase;
use callboard_postgres::{SchemaStatus, Trouble, inspect};

#[tokio::test]
async fn a_migrated_database_is_current_and_lets_us_be_a_service() {
    let database = TestDatabase::create().await;
    let found = inspect(database.url()).await.expect("it answers");
    assert_eq!(found.schema, SchemaStatus::Current);
    assert!(found.is_service && found.has_service_role);
    assert!(found.server_version_number >= 150_000, "{found:?}");
}

#[tokio::test]
async fn an_empty_database_lacks_everything() {
    let database = TestDatabase::create_empty().await;
    let found = inspect(database.url()).await.expect("it answers");
    let SchemaStatus::Behind { missing } = found.schema else {
        panic!("{found:?}");
    };
    assert!(missing > 0);
}

/// The schema is there before anybody may look into it: rights are granted last.
#[tokio::test]
async fn a_schema_that_is_being_migrated_is_behind_and_no_fault() {
    let database = TestDatabase::create().await;
    let login = format!("{}_login", database.name());
    let statements = format!(
        "create role {login} login in role callboard_service; revoke all on schema callboard from callboard_service"
    );
    database.execute(&statements).await;
    let url = database
        .url()
        .replacen("postgres://", &format!("postgres://{login}@"), 1);
    let (user, rest) = url.split_at("postgres://".len() + login.len() + 1);
    // The administrator's own user gives way.
    let url = format!("{user}{}", rest.rsplit_once('@').map_or(rest, |(_, host)| host));
    let found = inspect(&url).await;
    database.execute(&format!("drop role {login}")).await;
    let found = found.expect("it answers");
    assert_eq!(found.user, login);
    assert!(matches!(found.schema, SchemaStatus::Behind { .. }), "{found:?}");
}

#[tokio::test]
async fn what_is_in_the_way_is_told_apart() {
    let database = TestDatabase::create_empty().await;
    let missing = database.url().replace(database.name(), "callboard_no_such_database");
    let error = inspect(&missing).await.expect_err("there is none");
    assert_eq!(error.trouble(), Trouble::NoDatabase, "{error:?}");
    let error = inspect("postgres://postgres@127.0.0.1:1/postgres")
        .await
        .expect_err("nobody listens there");
    assert_eq!(error.trouble(), Trouble::NoServer, "{error:?}");
    let stranger = "postgres://callboard_no_such_role@";
    let host = database
        .url()
        .rsplit_once('@')
        .map_or_else(|| database.url().trim_start_matches("postgres://"), |(_, host)| host);
    let error = inspect(&format!("{stranger}{host}"))
        .await
        .expect_err("nobody knows it");
    assert_eq!(error.trouble(), Trouble::Login, "{error:?}");
}
