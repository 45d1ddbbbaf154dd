//! A process manager's registration, checkpoint and pending commands.

use callboard::log::Source;
use callboard::process_manager::{Advanced, PendingCommand, ProcessManagerStore, Registration};
use callboard::subscription::Lock;
use callboard::{Checkpoint, Position, ProcessManager};
use serde_json::value::RawValue;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::database::Database;
use crate::error::{Class, classify};
use crate::projection::{halt_named, registration};

/// How often storing is tried again after a deadlock or the like.
const RETRIES: usize = 4;

/// Stores one process manager. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PgProcessManagerStore {
    database: Database,
    log: &'static str,
    name: &'static str,
}

impl PgProcessManagerStore {
    /// The store of `M`.
    pub fn new<M: ProcessManager>(database: &Database) -> Self {
        let log = <M::Log as callboard::Log>::NAME;
        Self {
            database: database.clone(),
            log,
            name: M::NAME,
        }
    }

    async fn try_advance(
        &self,
        from: Checkpoint,
        to: Checkpoint,
        commands: &[PendingCommand],
        lock: Lock,
    ) -> Result<(String, Option<i64>, Option<Uuid>), sqlx::Error> {
        let column = |each: fn(&PendingCommand) -> Option<&str>| commands.iter().map(each).collect::<Vec<_>>();
        let positions: Vec<i64> = commands
            .iter()
            .map(|command| command.position.get().cast_signed())
            .collect();
        let indexes: Vec<i32> = commands.iter().map(|command| command.index.cast_signed()).collect();
        let causation_ids: Vec<Uuid> = commands.iter().map(|command| command.causation_id).collect();
        let work = sqlx::query_as(include_str!("../queries/advance_process_manager.sql"))
            .bind(self.log)
            .bind(self.name)
            .bind(from.position.get().cast_signed())
            .bind(from.event_id)
            .bind(to.position.get().cast_signed())
            .bind(to.event_id)
            .bind(lock == Lock::Skip)
            .bind(positions)
            .bind(indexes)
            .bind(column(|command| Some(&command.name)))
            .bind(column(|command| Some(command.body.get())))
            .bind(causation_ids)
            .bind(column(|command| command.correlation_id.as_deref()))
            .bind(column(|command| command.traceparent.as_deref()))
            .fetch_one(self.database.background());
        self.database.in_background(work).await
    }
}

impl ProcessManagerStore for PgProcessManagerStore {
    async fn load(&self) -> Result<Registration, Source> {
        registration(&self.database, self.log, self.name).await
    }

    async fn register(&self, at: Checkpoint) -> Result<(), Source> {
        let work = sqlx::query(include_str!("../queries/register_process_manager.sql"))
            .bind(self.log)
            .bind(self.name)
            .bind(at.position.get().cast_signed())
            .bind(at.event_id)
            .execute(self.database.background());
        self.database.in_background(work).await?;
        Ok(())
    }

    async fn advance(
        &self,
        from: Checkpoint,
        to: Checkpoint,
        commands: &[PendingCommand],
        lock: Lock,
    ) -> Result<Advanced, Source> {
        let mut tries = 0;
        let (outcome, position, event_id) = loop {
            match self.try_advance(from, to, commands, lock).await {
                Err(error) if classify(&error) == Class::Retry && tries < RETRIES => tries += 1,
                answer => break answer?,
            }
        };
        let at = position
            .zip(event_id)
            .map_or(Checkpoint::START, |(position, event_id)| Checkpoint {
                position: Position::new(position.unsigned_abs()),
                event_id,
            });
        match &*outcome {
            "done" => Ok(Advanced::Done),
            "elsewhere" => Ok(Advanced::Elsewhere(at)),
            "busy" => Ok(Advanced::Busy),
            "standby" => Err(format!("{} is paused or halted", self.name).into()),
            _ => Err(format!("{} is registered, but its checkpoint is gone", self.name).into()),
        }
    }

    async fn pending(&self, limit: usize) -> Result<Vec<PendingCommand>, Source> {
        let work = sqlx::query(include_str!("../queries/read_pending_commands.sql"))
            .bind(self.log)
            .bind(self.name)
            .bind(i64::try_from(limit)?)
            .fetch_all(self.database.background());
        let rows = self.database.in_background(work).await?;
        rows.iter().map(pending_command).collect()
    }

    async fn answered(&self, commands: &[(Position, u32)]) -> Result<(), Source> {
        let (positions, indexes): (Vec<i64>, Vec<i32>) = commands
            .iter()
            .map(|(position, index)| (position.get().cast_signed(), index.cast_signed()))
            .unzip();
        let work = sqlx::query(include_str!("../queries/delete_pending_commands.sql"))
            .bind(self.log)
            .bind(self.name)
            .bind(positions)
            .bind(indexes)
            .execute(self.database.background());
        self.database.in_background(work).await?;
        Ok(())
    }

    async fn halt(&self, reason: &str) -> Result<(), Source> {
        halt_named(&self.database, self.log, self.name, reason).await
    }
}

fn pending_command(row: &PgRow) -> Result<PendingCommand, Source> {
    let body: String = row.try_get(3)?;
    Ok(PendingCommand {
        position: Position::new(row.try_get::<i64, _>(0)?.unsigned_abs()),
        index: row.try_get::<i32, _>(1)?.cast_unsigned(),
        name: row.try_get::<&str, _>(2)?.into(),
        body: RawValue::from_string(body)?.into(),
        causation_id: row.try_get(4)?,
        correlation_id: row.try_get::<Option<&str>, _>(5)?.map(Into::into),
        traceparent: row.try_get::<Option<&str>, _>(6)?.map(Into::into),
    })
}
