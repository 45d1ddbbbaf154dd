//! The log with its lock held, in one transaction.

use callboard::Position;
use callboard::log::{Append, AppendError, Appended, LockedLog, Slice};
use sqlx::AssertSqlSafe;

use super::append::{AppendArrays, append_error};
use super::rows::written_into;
use super::{PgLog, read_slice};
use crate::database::within;
use crate::error::{Class, classify};
use crate::inline::{Inline, InlineError};
use crate::links::Linked;

/// A log whose head stands still. It owns its connection: dropping it closes the connection, upon
/// which the server rolls back and lets go of the lock.
pub struct PgLocked {
    log: PgLog,
    connection: Linked,
}

impl PgLocked {
    pub(super) async fn begin(log: &PgLog) -> Result<Self, AppendError> {
        let unavailable = |error: sqlx::Error| AppendError::Unavailable(error.into());
        let mut connection = log.0.appends.take().await.map_err(unavailable)?;
        // Not sqlx's `begin()`: nothing here must outlive the connection's owner. Both in one round trip.
        let lock = written_into(include_str!("../../queries/lock_log.sql"), log.0.name, &[]);
        let lock = format!("begin;\n{lock}");
        let locked = sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut *connection).await;
        locked.map_err(unavailable)?;
        Ok(Self {
            log: log.clone(),
            connection,
        })
    }

    async fn call(&mut self, append: &Append) -> Result<Appended, AppendError> {
        let answer = AppendArrays::of(append)?
            .call(&mut self.connection, self.log.0.name)
            .await;
        answer.map_err(|error| append_error(error, Class::Busy))
    }

    async fn commit(mut self) -> Result<(), AppendError> {
        let outcome = sqlx::raw_sql("commit").execute(&mut *self.connection).await;
        outcome.map_err(|error| append_error(error, Class::Lost))?;
        self.connection.keep(None);
        Ok(())
    }

    async fn rollback(mut self) {
        if sqlx::raw_sql("rollback").execute(&mut *self.connection).await.is_ok() {
            self.connection.keep(None);
        }
    }

    /// Appends, folds the inline projections and commits.
    pub(super) async fn append_inline(mut self, append: &Append, inline: &dyn Inline) -> Result<Appended, InlineError> {
        let appended = match self.call(append).await {
            Ok(appended) => appended,
            Err(error) => {
                self.rollback().await;
                return Err(error.into());
            }
        };
        let Appended::Done { recorded_at } = appended else {
            self.rollback().await;
            return Ok(appended);
        };
        let events = append.recorded(recorded_at).collect::<Vec<_>>();
        if let Err(error) = inline
            .fold(&mut self.connection, append.expected.position, &events)
            .await
        {
            self.rollback().await;
            return Err(error);
        }
        self.commit().await?;
        inline.committed(append.expected.position.plus(events.len() as u64));
        Ok(appended)
    }

    async fn append_alone(mut self, append: &Append) -> Result<Appended, AppendError> {
        match self.call(append).await {
            Ok(appended @ Appended::Done { .. }) => self.commit().await.map(|()| appended),
            answer => {
                self.rollback().await;
                answer
            }
        }
    }
}

impl LockedLog for PgLocked {
    async fn read(&mut self, after: Position, limit: usize) -> Result<Slice, AppendError> {
        // Everybody waits for the lock meanwhile, and no timeout of the server ends it on a dead connection.
        let read = within(
            self.log.0.deadline,
            read_slice(&mut self.connection, self.log.0.name, after, limit),
        );
        // A read that fails has recorded nothing, whatever the reason.
        read.await.map_err(|error| match classify(&error) {
            Class::Data => AppendError::Rejected(error.into()),
            _ => AppendError::Unavailable(error.into()),
        })
    }

    async fn append(self, append: &Append) -> Result<Appended, AppendError> {
        metrics::counter!("callboard_append_transactions_total", "log" => self.log.0.name).increment(1);
        let log = self.log.clone();
        let outcome = async {
            match &log.0.inline {
                Some(inline) if !append.events.is_empty() => {
                    self.append_inline(append, &**inline).await.map_err(AppendError::from)
                }
                _ => self.append_alone(append).await,
            }
        };
        tokio::time::timeout(log.0.deadline, outcome)
            .await
            .unwrap_or_else(|_| Err(AppendError::Unknown("the append's deadline has passed".into())))
    }
}
