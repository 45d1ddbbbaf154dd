//! The schema: embedded migrations.

use sqlx::migrate::Migrator;
use sqlx::{Connection, PgConnection, PgPool};

use crate::database::{connect, options};
use crate::error::PostgresError;

/// Where the migrations that ran are kept.
const TABLE: &str = "callboard.migrations";

/// How the database's schema compares with this code's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaStatus {
    /// The same.
    Current,
    /// Migrations of this code have not run yet.
    Behind {
        /// How many.
        missing: usize,
    },
    /// A newer release migrated it; this code works with it.
    Newer,
}

pub(crate) fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("../../../migrations");
    // An older binary meets a newer schema during each roll-out; migrations expand before they contract.
    migrator.set_ignore_missing(true);
    migrator.dangerous_set_table_name(TABLE);
    migrator.create_schema("callboard");
    migrator
}

/// Brings the database's schema up to this code's. Safe with many replicas at once: one migrates,
/// the others wait for it.
///
/// # Errors
/// [`PostgresError`] when the database can't be reached or a migration fails.
pub async fn migrate(url: &str) -> Result<(), PostgresError> {
    let options = options(url)?.application_name("callboard migrate");
    let mut connection = connect(&options, std::time::Duration::from_secs(10))
        .await
        .map_err(PostgresError::Unreachable)?;
    let outcome = migrator().run_direct(None, &mut connection, false).await;
    // Closed whatever happened: the session holds the lock against other replicas.
    let closed = connection.close().await;
    outcome.map_err(PostgresError::Migrate)?;
    closed.map_err(PostgresError::Unreachable)
}

/// Compares the database's schema with this code's.
///
/// # Errors
/// [`PostgresError`] when the database can't be asked.
pub async fn schema_status(pool: &PgPool) -> Result<SchemaStatus, PostgresError> {
    let read = async { schema_of(&mut *pool.acquire().await?).await };
    read.await
        .map_err(PostgresError::statement("reading the schema's version"))
}

pub(crate) async fn schema_of(connection: &mut PgConnection) -> Result<SchemaStatus, sqlx::Error> {
    let exists: bool = sqlx::query_scalar("select to_regclass($1) is not null")
        .bind(TABLE)
        .fetch_one(&mut *connection)
        .await?;
    let applied: Vec<i64> = if exists {
        sqlx::query_scalar("select version from callboard.migrations where success order by version")
            .fetch_all(&mut *connection)
            .await?
    } else {
        Vec::new()
    };
    let migrator = migrator();
    let missing = migrator
        .iter()
        .filter(|migration| !applied.contains(&migration.version))
        .count();
    Ok(if missing > 0 {
        SchemaStatus::Behind { missing }
    } else if applied.iter().any(|version| !migrator.version_exists(*version)) {
        SchemaStatus::Newer
    } else {
        SchemaStatus::Current
    })
}

/// Names this code's schema: differs whenever a migration does.
#[cfg(feature = "testing")]
pub(crate) fn fingerprint() -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hash = DefaultHasher::new();
    for migration in migrator().iter() {
        migration.checksum.hash(&mut hash);
    }
    format!("{:016x}", hash.finish())
}
