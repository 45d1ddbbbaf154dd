//! A look at a database on a connection of its own: what a start and `callboard doctor` ask first.
//! Apart from the pools, which tell a wrong address, a missing database and a refused login alike
//! as a time-out.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sqlx::postgres::{PgDatabaseError, PgRow};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use crate::database::{SERVICE_ROLE, connect, options};
use crate::error::PostgresError;
use crate::migrate::{SchemaStatus, migrator, schema_of};

/// How long the server may take to connect.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// What a database is, and what its URL's user may do in it.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// The server's version, e.g. `17.6`.
    pub server_version: String,
    /// The same as a number, e.g. 170006.
    pub server_version_number: i32,
    /// Who we are.
    pub user: String,
    /// Whether that user is a superuser.
    pub is_superuser: bool,
    /// Whether the role that migrations make for services is there.
    pub has_service_role: bool,
    /// Whether that user may take it on.
    pub is_service: bool,
    /// How the schema compares with this code's.
    pub schema: SchemaStatus,
    /// How far the server's clock is ahead of ours, give or take a round trip.
    pub clock_ahead: SignedDuration,
}

/// Looks at the database of this URL. Changes nothing.
///
/// # Errors
/// [`PostgresError`]; [`PostgresError::trouble`] says what can be done about it.
pub async fn inspect(url: &str) -> Result<Inspection, PostgresError> {
    let options = options(url)?.application_name("callboard inspection");
    let mut connection = connect(&options, CONNECT_WITHIN)
        .await
        .map_err(PostgresError::Unreachable)?;
    let inspected = look(&mut connection)
        .await
        .map_err(PostgresError::statement("looking at the database"));
    // Best effort: what was asked is answered.
    let _ = connection.close().await;
    inspected
}

async fn look(connection: &mut PgConnection) -> Result<Inspection, sqlx::Error> {
    let asked = Timestamp::now();
    let row = sqlx::query(include_str!("../queries/inspect_server.sql"))
        .bind(SERVICE_ROLE)
        .fetch_one(&mut *connection)
        .await?;
    let answered = Timestamp::now();
    let is_service: bool = row.try_get(6)?;
    Ok(Inspection {
        server_version: row.try_get(0)?,
        server_version_number: row.try_get(1)?,
        user: row.try_get(2)?,
        is_superuser: row.try_get(3)?,
        has_service_role: row.try_get(5)?,
        is_service,
        schema: schema(connection, is_service).await?,
        clock_ahead: clock_ahead(&row, asked, answered)?,
    })
}

async fn schema(connection: &mut PgConnection, is_service: bool) -> Result<SchemaStatus, sqlx::Error> {
    match schema_of(connection).await {
        Err(error) if is_denied(&error) => {}
        known => return known,
    }
    if is_service {
        // A login that doesn't inherit its rights.
        sqlx::query(AssertSqlSafe(format!("set role {SERVICE_ROLE}")))
            .execute(&mut *connection)
            .await?;
        match schema_of(connection).await {
            Err(error) if is_denied(&error) => {}
            known => return known,
        }
    }
    // Somebody is migrating: the schema is there, and what others may do in it is granted last.
    Ok(SchemaStatus::Behind {
        missing: migrator().iter().count(),
    })
}

fn is_denied(error: &sqlx::Error) -> bool {
    code(error) == Some("42501")
}

fn code(error: &sqlx::Error) -> Option<&str> {
    let error = error.as_database_error()?;
    error.try_downcast_ref::<PgDatabaseError>().map(PgDatabaseError::code)
}

fn clock_ahead(row: &PgRow, asked: Timestamp, answered: Timestamp) -> Result<SignedDuration, sqlx::Error> {
    let theirs = row.try_get::<jiff_sqlx::Timestamp, _>(4)?.to_jiff();
    // Between the two, the truth can't be told.
    Ok(if theirs < asked {
        theirs.duration_since(asked)
    } else if theirs > answered {
        theirs.duration_since(answered)
    } else {
        SignedDuration::ZERO
    })
}

/// What is in the way, by what a person can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// Nobody answers at the address.
    NoServer,
    /// The server has no such database.
    NoDatabase,
    /// The server refuses the user or the password.
    Login,
    /// The user's rights don't suffice.
    Rights,
    /// Something else.
    Other,
}

impl PostgresError {
    /// What is in the way.
    pub fn trouble(&self) -> Trouble {
        let cause = match self {
            Self::Unreachable(source) | Self::Statement { source, .. } => source,
            Self::Migrate(sqlx::migrate::MigrateError::Execute(source)) => source,
            Self::Migrate(sqlx::migrate::MigrateError::ExecuteMigration(source, _)) => source,
            _ => return Trouble::Other,
        };
        match cause {
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => Trouble::NoServer,
            error => match code(error) {
                Some("3D000") => Trouble::NoDatabase,
                Some("28000" | "28P01") => Trouble::Login,
                Some("42501") => Trouble::Rights,
                _ => Trouble::Other,
            },
        }
    }
}
