//! Projections inside the append's transaction: what a command records is visible with its answer.

use std::marker::PhantomData;
use std::sync::Arc;

use callboard::log::{AppendError, Source};
use callboard::projection::EventOf;
use callboard::subscription::{Lock, SubscriberError};
use callboard::{Checkpoint, Log, Position, Projection, Recorded};
use futures::future::BoxFuture;
use sqlx::{Connection, PgConnection};
use tokio::sync::OnceCell;

use crate::database::Database;
use crate::log::{read_decoded, read_slice};
use crate::projection::{Failure, LockedCheckpoint, Table, behind, fold_run, lock, prepare};

/// How many events are read from the log at once.
const CHUNK: usize = 1_000;

/// How many events a projection is caught up with while the log's lock is held.
const CATCH_UP_UNDER_LOCK: u64 = 5_000;

/// Projections of `L` that are folded inside each append's transaction.
///
/// If one fails on the new events, nothing is recorded. One that is paused, halted or of a newer
/// VERSION is passed over, and caught up when it runs again.
pub struct InlineProjections<L: Log> {
    database: Database,
    members: Vec<Box<dyn Member<L>>>,
}

impl<L: Log> InlineProjections<L> {
    /// No projections yet.
    pub fn new(database: &Database) -> Self {
        Self {
            database: database.clone(),
            members: Vec::new(),
        }
    }

    /// Takes a projection.
    #[must_use]
    pub fn projection<P: Projection<Log = L>>(mut self) -> Self {
        self.add::<P>();
        self
    }

    /// Takes a projection.
    pub fn add<P: Projection<Log = L>>(&mut self) {
        self.members.push(Box::new(InlineMember::<P> {
            table: OnceCell::new(),
            projection: PhantomData,
        }));
    }

    /// Brings every projection to the head, in transactions of their own: before the first append.
    ///
    /// # Errors
    /// What keeps a projection from it; a projection that stands by is passed over.
    pub async fn start(&self) -> Result<(), SubscriberError> {
        for member in &self.members {
            member.start(&self.database).await?;
        }
        Ok(())
    }
}

/// Why an append with projections recorded nothing, or may have.
pub(crate) enum InlineError {
    /// The append itself, or a projection on the new events.
    Append(AppendError),
    /// A projection must be brought to the head first; the reason.
    Behind(String),
}

impl From<AppendError> for InlineError {
    fn from(error: AppendError) -> Self {
        Self::Append(error)
    }
}

impl From<InlineError> for AppendError {
    fn from(error: InlineError) -> Self {
        match error {
            InlineError::Append(error) => error,
            InlineError::Behind(reason) => Self::Unavailable(reason.into()),
        }
    }
}

/// A log's inline projections, their types erased.
pub(crate) trait Inline: Send + Sync {
    /// Folds new events, recorded behind `expected` in this transaction, into every projection.
    fn fold<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        expected: Position,
        events: &'a [Recorded],
    ) -> BoxFuture<'a, Result<(), InlineError>>;

    /// Brings every projection to the head, in transactions of their own.
    fn catch_up(&self) -> BoxFuture<'_, Result<(), SubscriberError>>;

    /// The append that ended with this position was committed.
    fn committed(&self, position: Position);
}

impl<L: Log> Inline for InlineProjections<L> {
    fn fold<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        expected: Position,
        events: &'a [Recorded],
    ) -> BoxFuture<'a, Result<(), InlineError>> {
        Box::pin(async move {
            let decoded = events.iter().map(Recorded::decode).collect::<Result<Vec<_>, _>>();
            let decoded = decoded.map_err(|error| AppendError::Projection(error.into()))?;
            for member in &self.members {
                member.fold(connection, expected, &decoded).await?;
            }
            Ok(())
        })
    }

    fn catch_up(&self) -> BoxFuture<'_, Result<(), SubscriberError>> {
        Box::pin(self.start())
    }

    fn committed(&self, position: Position) {
        for member in &self.members {
            self.database.watcher().moved(L::NAME, member.name(), position);
        }
    }
}

/// One inline projection, its type erased.
trait Member<L: Log>: Send + Sync {
    fn name(&self) -> &'static str;

    fn start<'a>(&'a self, database: &'a Database) -> BoxFuture<'a, Result<(), SubscriberError>>;

    fn fold<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        expected: Position,
        events: &'a [Recorded<L::Event>],
    ) -> BoxFuture<'a, Result<(), InlineError>>;
}

struct InlineMember<P> {
    table: OnceCell<Arc<Table>>,
    projection: PhantomData<fn() -> P>,
}

impl<P: Projection> Member<P::Log> for InlineMember<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn start<'a>(&'a self, database: &'a Database) -> BoxFuture<'a, Result<(), SubscriberError>> {
        Box::pin(async move {
            match self.catch_up(database).await {
                Err(Failure::StandBy(reason)) => {
                    tracing::warn!(log = P::Log::NAME, subscriber = P::NAME, reason, "stands by");
                    Ok(())
                }
                outcome => outcome.map_err(|failure| failure.into_error(P::NAME)),
            }
        })
    }

    fn fold<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        expected: Position,
        events: &'a [Recorded<EventOf<P>>],
    ) -> BoxFuture<'a, Result<(), InlineError>> {
        Box::pin(self.fold_new(connection, expected, events))
    }
}

impl<P: Projection> InlineMember<P> {
    async fn table(&self, connection: &mut PgConnection) -> Result<Arc<Table>, Source> {
        let look_up = async { Table::look_up::<P>(connection).await.map(Arc::new) };
        self.table.get_or_try_init(|| look_up).await.cloned()
    }

    /// In chunks, each in a transaction of its own, without the log's lock.
    async fn catch_up(&self, database: &Database) -> Result<(), Failure> {
        let mut at = prepare::<P>(database.background()).await?;
        loop {
            let mut connection = database.background().acquire().await?;
            let table = self.table(&mut connection).await?;
            let (anchor, events) = read_decoded(&mut connection, P::Log::NAME, at.position, CHUNK).await?;
            if anchor != Some(at.event_id) {
                return Err(other_timeline::<P>(at));
            }
            let Some(last) = events.last().map(Recorded::checkpoint) else {
                return Ok(());
            };
            let mut transaction = connection.begin().await?;
            let locked = lock::<P>(&mut transaction, last, Lock::Wait).await?;
            let Some(LockedCheckpoint { checkpoint, .. }) = locked else {
                continue;
            };
            let rest = behind::<P>(checkpoint, &events)?;
            fold_run::<P>(&mut transaction, &table, rest).await?;
            transaction.commit().await?;
            at = if rest.is_empty() { checkpoint } else { last };
        }
    }

    async fn fold_new(
        &self,
        connection: &mut PgConnection,
        expected: Position,
        events: &[Recorded<EventOf<P>>],
    ) -> Result<(), InlineError> {
        let Some(last) = events.last().map(Recorded::checkpoint) else {
            return Ok(());
        };
        let table = self.table(connection).await.map_err(AppendError::Unavailable)?;
        let checkpoint = match lock::<P>(connection, last, Lock::Wait).await {
            Ok(Some(locked)) => locked.checkpoint,
            Ok(None) | Err(Failure::StandBy(_)) => return Ok(()),
            Err(Failure::NoCheckpoint) => return Err(InlineError::Behind(format!("{} has no checkpoint", P::NAME))),
            Err(failure) => return Err(unavailable(failure)),
        };
        let checkpoint = self
            .catch_up_under_lock(connection, &table, checkpoint, expected)
            .await?;
        let rest = behind::<P>(checkpoint, events).map_err(unavailable)?;
        match fold_run::<P>(connection, &table, rest).await {
            Err(Failure::Fold(panic)) => Err(AppendError::Projection(panic.into()).into()),
            Err(Failure::Data(error)) => Err(AppendError::Projection(error.into()).into()),
            Err(failure) => Err(unavailable(failure)),
            Ok(()) => Ok(()),
        }
    }

    /// Folds what stands between the checkpoint and the new events.
    async fn catch_up_under_lock(
        &self,
        connection: &mut PgConnection,
        table: &Table,
        mut at: Checkpoint,
        expected: Position,
    ) -> Result<Checkpoint, InlineError> {
        if expected.get().saturating_sub(at.position.get()) > CATCH_UP_UNDER_LOCK {
            return Err(InlineError::Behind(format!("{} is far behind the head", P::NAME)));
        }
        while at.position < expected {
            let missing = usize::try_from(expected.get() - at.position.get()).unwrap_or(CHUNK);
            let read = read_slice(connection, P::Log::NAME, at.position, missing.min(CHUNK)).await;
            let slice = read.map_err(|error| AppendError::Unavailable(error.into()))?;
            let events = slice.events.iter().map(Recorded::decode).collect::<Result<Vec<_>, _>>();
            let events = events.map_err(|error| AppendError::Unavailable(error.into()))?;
            let next = behind::<P>(at, &events).map_err(unavailable)?;
            fold_run::<P>(connection, table, next).await.map_err(unavailable)?;
            at = next
                .last()
                .map(Recorded::checkpoint)
                .ok_or_else(|| unavailable(other_timeline::<P>(at)))?;
        }
        Ok(at)
    }
}

fn other_timeline<P: Projection>(at: Checkpoint) -> Failure {
    Failure::Other(
        format!(
            "{} stands at {} of another timeline and must be rebuilt",
            P::NAME,
            at.position
        )
        .into(),
    )
}

fn unavailable(failure: Failure) -> InlineError {
    InlineError::Append(AppendError::Unavailable(match failure {
        Failure::Fold(panic) => panic.into(),
        Failure::Data(error) | Failure::Retry(error) => error.into(),
        Failure::NotNext(at) => format!("the projection stands elsewhere, at {}", at.position).into(),
        Failure::StandBy(reason) => reason.into(),
        Failure::NoCheckpoint => "the projection has no checkpoint of its VERSION".into(),
        Failure::Other(source) => source,
    }))
}
