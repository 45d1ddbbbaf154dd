//! Errors, and what those of the server mean for whoever sent the statement.

use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

/// What can go wrong outside of the traits of `callboard`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresError {
    /// The database's URL can't be read.
    #[error("the database's URL can't be read")]
    Url(#[source] sqlx::Error),
    /// The database can't be reached, or doesn't answer.
    #[error("the database can't be reached")]
    Unreachable(#[source] sqlx::Error),
    /// A migration failed, or a released one was edited.
    #[error("the database can't be migrated")]
    Migrate(#[source] MigrateError),
    /// A statement failed.
    #[error("{what} failed")]
    Statement {
        /// What was attempted.
        what: &'static str,
        /// The cause.
        #[source]
        source: sqlx::Error,
    },
    /// No subscriber has this name.
    #[error("the log {log} has no subscriber {name}")]
    NoSubscriber {
        /// The log.
        log: String,
        /// The name.
        name: String,
    },
    /// It can't be done to this subscriber as things are.
    #[error("{log}.{name}: {reason}")]
    Refused {
        /// The log.
        log: String,
        /// The name.
        name: String,
        /// Why not, and the next thing to do.
        reason: String,
    },
}

impl PostgresError {
    pub(crate) fn statement(what: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Statement { what, source }
    }
}

/// What a failed statement means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// The connection is gone: whether the statement was done isn't known.
    Lost,
    /// Nothing was done, the server is busy, locked or shutting down.
    Busy,
    /// Nothing was done, and doing it again at once may help.
    Retry,
    /// Nothing was done: the data can't be stored.
    Data,
    /// Nothing was done: the statement doesn't suit the database, e.g. it isn't migrated.
    Other,
}

/// Classifies by SQLSTATE. Anything that isn't a plain error of the server counts as a lost
/// connection: only a plain error proves that nothing was done.
pub(crate) fn classify(error: &sqlx::Error) -> Class {
    match error {
        sqlx::Error::Database(error) => {
            let Some(error) = error.try_downcast_ref::<PgDatabaseError>() else {
                return Class::Lost;
            };
            match (error.severity(), error.code()) {
                (PgSeverity::Panic | PgSeverity::Fatal, _) => Class::Lost,
                (_, code) => classify_code(code),
            }
        }
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => Class::Busy,
        sqlx::Error::Encode(_) => Class::Data,
        _ => Class::Lost,
    }
}

fn classify_code(code: &str) -> Class {
    match code {
        "40001" | "40P01" => Class::Retry,
        // Lock timeout, cancelled, read-only (a standby that was the primary).
        "55P03" | "57014" | "25006" => Class::Busy,
        // 54: program limits; 21: e.g. two rows for one key in one statement.
        _ if ["21", "22", "23", "54"].contains(&&code[..2]) => Class::Data,
        _ if ["08"].contains(&&code[..2]) => Class::Lost,
        // 53: out of resources; 57: shutting down; 58: i/o; XX: internal.
        _ if ["53", "57", "58", "XX"].contains(&&code[..2]) => Class::Busy,
        _ => Class::Other,
    }
}

/// Whether the connection is still good after this error.
pub(crate) fn spares_connection(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(_)) && classify(error) != Class::Lost
}
