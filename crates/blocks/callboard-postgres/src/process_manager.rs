//! A process manager's registration, checkpoint, pending commands and parked events.

use callboard::log::Source;
use callboard::parking::{Block, ParkedEvent};
use callboard::process_manager::{
    Advance, Advanced, LeftOut, PendingCommand, ProcessManagerStore, Registration, TakeUp,
};
use callboard::subscription::Lock;
use callboard::{Checkpoint, Position, ProcessManager};
use serde_json::value::RawValue;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::QueryAs;
use sqlx::{Connection, Postgres, Row};
use uuid::Uuid;

use crate::database::Database;
use crate::error::{Class, classify};
use crate::halt::Halt;
use crate::projection::parked_rows::{self, Named, number};
use crate::projection::registration;

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

    fn halting(&self) -> Halt<'_> {
        Halt {
            database: &self.database,
            log: self.log,
            name: self.name,
        }
    }

    fn named(&self) -> Named<'static> {
        (self.log, self.name)
    }

    async fn try_advance(
        &self,
        advance: Advance<'_>,
        lock: Lock,
    ) -> Result<(String, Option<i64>, Option<Uuid>), sqlx::Error> {
        let Advance { from, to, parked, .. } = advance;
        let block = |stream| Block::stream(stream).as_str().to_owned();
        let query = sqlx::query_as(include_str!("../queries/advance_process_manager.sql"))
            .bind(self.log)
            .bind(self.name)
            .bind(number(from.position))
            .bind(from.event_id)
            .bind(number(to.position))
            .bind(to.event_id)
            .bind(lock == Lock::Skip);
        let query = with_commands(query, advance.commands)
            .bind(numbers(advance.left_out))
            .bind(parked.iter().map(|event| number(event.position)).collect::<Vec<_>>())
            .bind(parked.iter().map(|event| event.stream.as_str()).collect::<Vec<_>>())
            .bind(parked.iter().map(|event| block(&event.stream)).collect::<Vec<_>>())
            .bind(parked.iter().map(|event| event.cause.as_str()).collect::<Vec<_>>())
            .bind(parked.iter().map(|event| &*event.reason).collect::<Vec<_>>());
        let work = async {
            let mut connection = self.database.batches().take().await?;
            let advanced = query.fetch_one(&mut *connection).await;
            connection.keep(advanced.as_ref().err());
            advanced
        };
        self.database.in_background(work).await
    }

    async fn read_left_out(&self) -> Result<LeftOut, sqlx::Error> {
        let mut connection = self.database.background().acquire().await?;
        // Both as of one moment: an event that is discarded in between would stand in neither.
        let mut transaction = connection
            .begin_with("begin isolation level repeatable read read only")
            .await?;
        let parked = parked_rows::list(&mut transaction, self.named()).await?;
        let discarded: Vec<i64> = sqlx::query_scalar(include_str!("../queries/read_discarded_events.sql"))
            .bind(self.log)
            .bind(self.name)
            .fetch_all(&mut *transaction)
            .await?;
        transaction.commit().await?;
        let discarded = discarded.into_iter().map(i64::unsigned_abs).map(Position::new);
        Ok(LeftOut {
            parked,
            discarded: discarded.collect(),
        })
    }
}

fn numbers(positions: &[Position]) -> Vec<i64> {
    positions.iter().copied().map(number).collect()
}

/// The query with the commands as arrays, bound one after another.
fn with_commands<'q, Row>(
    query: QueryAs<'q, Postgres, Row, PgArguments>,
    commands: &'q [PendingCommand],
) -> QueryAs<'q, Postgres, Row, PgArguments> {
    let each = || commands.iter();
    query
        .bind(each().map(|command| number(command.position)).collect::<Vec<_>>())
        .bind(each().map(|command| command.index.cast_signed()).collect::<Vec<_>>())
        .bind(each().map(|command| &*command.name).collect::<Vec<_>>())
        .bind(each().map(|command| command.body.get()).collect::<Vec<_>>())
        .bind(each().map(|command| command.causation_id).collect::<Vec<_>>())
        .bind(
            each()
                .map(|command| command.correlation_id.as_deref())
                .collect::<Vec<_>>(),
        )
        .bind(each().map(|command| command.traceparent.as_deref()).collect::<Vec<_>>())
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

    async fn advance(&self, advance: Advance<'_>, lock: Lock) -> Result<Advanced, Source> {
        let mut tries = 0;
        let (outcome, position, event_id) = loop {
            match self.try_advance(advance, lock).await {
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
        self.halting().halt(None, reason).await
    }

    async fn halt_at_unknown(&self, position: Position, reason: &str) -> Result<(), Source> {
        self.halting().halt(Some(position), reason).await
    }

    async fn halted_at_unknown(&self) -> Result<Option<Position>, Source> {
        self.halting().at_unknown().await
    }

    async fn resume_at_unknown(&self, position: Position) -> Result<(), Source> {
        self.halting().resume_at_unknown(position).await
    }

    async fn left_out(&self) -> Result<LeftOut, Source> {
        Ok(self.database.in_background(self.read_left_out()).await?)
    }

    async fn take_up(&self, retried: TakeUp<'_>) -> Result<bool, Source> {
        let query = sqlx::query_as(include_str!("../queries/take_up_parked.sql"))
            .bind(self.log)
            .bind(self.name)
            .bind(numbers(retried.positions))
            .bind(numbers(retried.left_out));
        let work = with_commands(query, retried.commands).fetch_one(self.database.background());
        let (taken_up,): (bool,) = self.database.in_background(work).await?;
        Ok(taken_up)
    }

    async fn note_failed_retry(&self, position: Position, reason: &str) -> Result<(), Source> {
        parked_rows::note_failure(&self.database, self.named(), position, reason).await
    }

    async fn discard(&self, position: Position, because: &str) -> Result<Option<ParkedEvent>, Source> {
        parked_rows::discard_locked(&self.database, self.named(), position, because).await
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
