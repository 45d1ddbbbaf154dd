//! A rebuild's row, locked.

use callboard::{Checkpoint, Log, Position, Projection};
use sqlx::{PgPool, PgTransaction, Postgres};
use uuid::Uuid;

use crate::database::Database;
use crate::projection::{Failure, version_of};

/// A rebuild whose row this transaction holds.
pub(super) struct Job {
    pub(super) transaction: PgTransaction<'static>,
    pub(super) at: Checkpoint,
    /// Events per second.
    pub(super) throttle: Option<usize>,
    pub(super) has_shadow: bool,
}

impl Job {
    /// Locks the rebuild of `P` at its VERSION; `None` when there is nothing to do for us.
    pub(super) async fn lock<P: Projection>(database: &Database) -> Result<Option<Self>, Failure> {
        let mut transaction = begin(database.background()).await?;
        let row: Option<(i64, Uuid, Option<i32>, bool)> =
            sqlx::query_as(include_str!("../../queries/lock_rebuild.sql"))
                .bind(P::Log::NAME)
                .bind(P::NAME)
                .bind(version_of::<P>())
                .fetch_optional(&mut *transaction)
                .await?;
        Ok(row.map(|(position, event_id, throttle, has_shadow)| Self {
            transaction,
            at: Checkpoint {
                position: Position::new(position.unsigned_abs()),
                event_id,
            },
            throttle: throttle.and_then(|throttle| usize::try_from(throttle).ok()),
            has_shadow,
        }))
    }

    /// A statement that takes the log and the subscriber.
    pub(super) async fn execute<P: Projection>(&mut self, statement: &'static str) -> Result<(), Failure> {
        sqlx::query(statement)
            .bind(P::Log::NAME)
            .bind(P::NAME)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    /// Notes that the shadow is folded up to here, `measured` at so many events per second.
    pub(super) async fn move_to<P: Projection>(
        &mut self,
        at: Checkpoint,
        measured: Option<f64>,
    ) -> Result<(), Failure> {
        sqlx::query(include_str!("../../queries/move_rebuild.sql"))
            .bind(P::Log::NAME)
            .bind(P::NAME)
            .bind(at.position.get().cast_signed())
            .bind(at.event_id)
            .bind(measured)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    /// A statement that takes the log, the subscriber, a VERSION and a checkpoint.
    pub(super) async fn store<P: Projection>(
        &mut self,
        statement: &'static str,
        version: i32,
        checkpoint: Checkpoint,
    ) -> Result<(), Failure> {
        sqlx::query(statement)
            .bind(P::Log::NAME)
            .bind(P::NAME)
            .bind(version)
            .bind(checkpoint.position.get().cast_signed())
            .bind(checkpoint.event_id)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }
}

/// A transaction whose statements may take long.
async fn begin(pool: &PgPool) -> Result<sqlx::Transaction<'static, Postgres>, Failure> {
    let mut transaction = pool.begin().await?;
    sqlx::raw_sql("set local statement_timeout = '10min'")
        .execute(&mut *transaction)
        .await?;
    Ok(transaction)
}
