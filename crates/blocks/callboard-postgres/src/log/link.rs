//! The connection that a log's appends have for themselves.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

use crate::database::{Database, connect};
use crate::error::spares_connection;

/// After such a pause the connection is tried before it is trusted.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// Keeps a connection between appends. Whoever takes it owns it: if the owner's future is dropped,
/// the connection is closed with it, and the server ends what was open.
pub(super) struct Link {
    options: PgConnectOptions,
    timeout: Duration,
    kept: Mutex<Option<(PgConnection, Instant)>>,
}

impl Link {
    pub(super) fn new(database: &Database) -> Self {
        Self {
            options: database.append_options(),
            timeout: database.config().acquire_timeout,
            kept: Mutex::new(None),
        }
    }

    /// The kept connection if it is good, else a fresh one.
    pub(super) async fn take(&self) -> Result<PgConnection, sqlx::Error> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((mut connection, used_at)) = kept {
            if used_at.elapsed() < TRUSTED_FOR {
                return Ok(connection);
            }
            if let Ok(Ok(())) = tokio::time::timeout(self.timeout, connection.ping()).await {
                return Ok(connection);
            }
        }
        connect(&self.options, self.timeout).await
    }

    /// Keeps a connection whose last statement ended well, or with a plain error of the server.
    pub(super) fn keep(&self, connection: PgConnection, error: Option<&sqlx::Error>) {
        if error.is_none_or(spares_connection) {
            *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((connection, Instant::now()));
        }
    }
}
