//! A turn among the writers that share a log.

use callboard::Position;
use callboard::log::{Append, AppendError, Appended, Slice, Turn};

use super::PgLog;
use super::append::{AppendArrays, append_error};
use super::read::slice_of;
use crate::error::Class;
use crate::links::Linked;

/// A turn of one's own. It owns its connection: dropping it closes the connection, upon which the server passes the
/// turn on.
pub struct PgTurn {
    log: PgLog,
    connection: Linked,
}

impl PgTurn {
    pub(super) async fn take(log: &PgLog, after: Position, limit: usize) -> Result<(Self, Slice), sqlx::Error> {
        let mut connection = log.0.appends.take().await?;
        let query = include_str!("../../queries/take_turn.sql");
        // A connection that fails here isn't kept, whatever the reason: it may have the turn.
        let slice = slice_of(query, &mut connection, log.0.name, after, limit).await?;
        let log = log.clone();
        Ok((Self { log, connection }, slice))
    }
}

impl Turn for PgTurn {
    async fn append(mut self, append: &Append) -> Result<Appended, AppendError> {
        let log = self.log.0.name;
        metrics::counter!("callboard_append_transactions_total", "log" => log).increment(1);
        let call = AppendArrays::of(append)?.call_in_turn(&mut self.connection, log);
        let Ok(answer) = tokio::time::timeout(self.log.0.deadline, call).await else {
            return Err(AppendError::Unknown("the append's deadline has passed".into()));
        };
        let appended = answer.map_err(|error| append_error(error, Class::Lost))?;
        self.connection.keep(None);
        Ok(appended)
    }
}
