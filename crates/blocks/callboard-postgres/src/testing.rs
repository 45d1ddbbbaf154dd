//! Databases for tests: each test has one of its own, migrated, and dropped afterwards.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use uuid::Uuid;

use crate::database::{Database, DatabaseConfig, connect, options};
use crate::error::PostgresError;
use crate::migrate::{fingerprint, migrate};

/// Where databases are made when `DATABASE_URL` isn't set.
pub const DEFAULT_ADMIN_URL: &str = "postgres://postgres@127.0.0.1:5432/postgres";

/// How long the server may take to connect.
const PATIENCE: Duration = Duration::from_secs(20);

/// A database of one's own: migrated, uniquely named, dropped with the value, also after a panic.
pub struct TestDatabase {
    admin: PgConnectOptions,
    options: PgConnectOptions,
    name: String,
    url: String,
}

impl TestDatabase {
    /// Makes one on the server of `DATABASE_URL`, whose user must be allowed to.
    ///
    /// # Panics
    /// When the server can't be reached or the migrations fail: a test without its database fails.
    pub async fn create() -> Self {
        Self::create_on(&server()).await
    }

    /// As [`TestDatabase::create`], on the server of this URL.
    ///
    /// # Panics
    /// When the server can't be reached or the migrations fail.
    pub async fn create_on(server: &str) -> Self {
        let template = template(server).await;
        let (admin, mut connection) = admin(server).await;
        let name = format!("callboard_test_{}", Uuid::new_v4().simple());
        run(&mut connection, &format!("create database {name} template {template}")).await;
        connection.close().await.expect("the server says good-bye");
        Self::named(admin, name)
    }

    /// As [`TestDatabase::create`], but without the migrations.
    ///
    /// # Panics
    /// When the server can't be reached.
    pub async fn create_empty() -> Self {
        let (admin, mut connection) = admin(&server()).await;
        let name = format!("callboard_test_{}", Uuid::new_v4().simple());
        run(&mut connection, &format!("create database {name} template template0")).await;
        connection.close().await.expect("the server says good-bye");
        Self::named(admin, name)
    }

    fn named(admin: PgConnectOptions, name: String) -> Self {
        let options = admin.clone().database(&name);
        let url = options.to_url_lossy().to_string();
        Self {
            admin,
            options,
            name,
            url,
        }
    }

    /// Its URL, with the rights of the server's administrator.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Connections as a service has them, in the services' role.
    ///
    /// # Panics
    /// Never: the URL was read before.
    pub fn connect(&self) -> Database {
        self.connect_as("callboard test")
    }

    /// As [`TestDatabase::connect`], under a name by which the server's activity view tells them.
    ///
    /// # Panics
    /// Never: the URL was read before.
    pub fn connect_as(&self, application_name: &str) -> Database {
        let config = DatabaseConfig {
            application_name: application_name.into(),
            log_connections: 2,
            query_connections: 4,
            background_connections: 4,
            ..DatabaseConfig::new(&self.url)
        };
        Database::new(config).expect("the URL was read before")
    }

    /// A connection of the administrator's.
    ///
    /// # Panics
    /// When the server can't be reached.
    pub async fn admin(&self) -> PgConnection {
        patiently(&self.options).await
    }

    /// Runs statements as the administrator.
    ///
    /// # Panics
    /// When one fails.
    pub async fn execute(&self, statements: &str) {
        let mut connection = self.admin().await;
        run(&mut connection, statements).await;
        connection.close().await.expect("the server says good-bye");
    }

    /// Begins a transaction with these statements and keeps it open, with every lock that it took.
    ///
    /// # Panics
    /// When one fails.
    pub async fn hold(&self, statements: &str) -> Held {
        let mut connection = self.admin().await;
        run(&mut connection, &format!("begin; {statements}")).await;
        Held(connection)
    }

    /// The first column of a query's rows, each cast to text in the query.
    ///
    /// # Panics
    /// When the query fails.
    pub async fn texts(&self, query: &str) -> Vec<String> {
        let mut connection = self.admin().await;
        let rows = sqlx::query_scalar(AssertSqlSafe(query.to_owned()))
            .fetch_all(&mut connection)
            .await;
        connection.close().await.expect("the server says good-bye");
        rows.unwrap_or_else(|error| panic!("{query}: {error}"))
    }
}

/// A transaction that is kept open. Dropped, it is rolled back when the server notices.
pub struct Held(PgConnection);

impl Held {
    /// Rolls it back now.
    ///
    /// # Panics
    /// When the connection was lost.
    pub async fn release(mut self) {
        run(&mut self.0, "rollback").await;
        self.0.close().await.expect("the server says good-bye");
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (admin, name) = (self.admin.clone(), self.name.clone());
        // A thread of its own: a drop can't await, and the test's runtime may be gone already.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime
                .expect("a thread can have a runtime")
                .block_on(drop_database(&admin, &name))
        });
        // Best effort: what can't be dropped is left behind, and must not hide the test's own failure.
        if let Ok(Err(error)) = dropped.join() {
            tracing::warn!(
                database = self.name,
                error = callboard::error_chain(&error),
                "left behind"
            );
        }
    }
}

async fn drop_database(admin: &PgConnectOptions, name: &str) -> Result<(), PostgresError> {
    let mut connection = connect(admin, PATIENCE).await.map_err(PostgresError::Unreachable)?;
    sqlx::raw_sql(AssertSqlSafe(format!("drop database if exists {name} with (force)")))
        .execute(&mut connection)
        .await
        .map_err(PostgresError::statement("dropping the database"))?;
    Ok(())
}

/// The server that tests share.
fn server() -> String {
    std::env::var("DATABASE_URL").unwrap_or_else(|_| DEFAULT_ADMIN_URL.into())
}

async fn admin(server: &str) -> (PgConnectOptions, PgConnection) {
    // The database in the URL may not exist yet; the maintenance database always does.
    let admin = options(server)
        .expect("the server's URL is one of Postgres")
        .database("postgres");
    let connection = patiently(&admin).await;
    (admin, connection)
}

/// A connection, as soon as the server has one to give: whole suites share it.
async fn patiently(options: &PgConnectOptions) -> PgConnection {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match connect(options, PATIENCE).await {
            Ok(connection) => return connection,
            Err(sqlx::Error::Database(full))
                if full.code().as_deref() == Some("53300") && tokio::time::Instant::now() < deadline =>
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => panic!("the tests' server can't be reached: {error}"),
        }
    }
}

async fn run(connection: &mut PgConnection, statements: &str) {
    let outcome = sqlx::raw_sql(AssertSqlSafe(statements.to_owned()))
        .execute(connection)
        .await;
    outcome.unwrap_or_else(|error| panic!("{statements}: {error}"));
}

/// The migrated database that tests' databases are copies of: one for each schema, made once.
async fn template(server: &str) -> String {
    let name = format!("callboard_template_{}", fingerprint());
    let (admin, mut connection) = admin(server).await;
    // Freed with the connection; the key is arbitrary and ours.
    run(&mut connection, "select pg_advisory_lock(4027220717)").await;
    let exists: Result<bool, _> = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
        .bind(&name)
        .fetch_one(&mut connection)
        .await;
    if !exists.expect("the catalog can be read") {
        let building = format!("{name}_building");
        run(
            &mut connection,
            &format!("drop database if exists {building} with (force)"),
        )
        .await;
        run(
            &mut connection,
            &format!("create database {building} template template0"),
        )
        .await;
        let url = admin.clone().database(&building).to_url_lossy().to_string();
        migrate(&url).await.expect("the migrations run");
        run(&mut connection, &format!("alter database {building} rename to {name}")).await;
    }
    connection.close().await.expect("the server says good-bye");
    name
}
