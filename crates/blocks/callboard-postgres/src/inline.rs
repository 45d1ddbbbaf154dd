//! Projections inside the append's transaction: what a command records is visible with its answer.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use callboard::log::{AppendError, Source};
use callboard::projection::{AfterError, EventOf, Named, in_order};
use callboard::subscription::{Lock, RunError, Runner, SubscriberError, behind};
use callboard::{Checkpoint, Log, Position, Projection, Recorded, Standing, error_chain};
use futures::future::BoxFuture;
use sqlx::PgConnection;
use tokio::sync::OnceCell;

use crate::database::Database;
use crate::log::{PgLog, read_slice};
use crate::projection::{Failure, PgProjection, Table, lock, take_run};
use crate::rebuild::{drive, prepare, rebuild_of};

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
            parked: AtomicU64::new(0),
            projection: PhantomData,
        }));
    }

    /// Puts each projection behind those that it waits for.
    ///
    /// # Errors
    /// [`AfterError`] when they wait for each other, or for what isn't there.
    pub fn sort(&mut self) -> Result<(), AfterError> {
        let named: Vec<_> = self.members.iter().map(|member| member.named()).collect();
        let order = in_order(&named)?;
        self.members
            .sort_by_key(|member| order.iter().position(|name| *name == member.named().0));
        Ok(())
    }

    /// Brings every projection to the head, in transactions of their own: before the first append. A
    /// rebuild that is wanted is driven to its end, however long it takes; later ones need
    /// [`crate::PgRebuild`] in a task of its own.
    ///
    /// # Errors
    /// What keeps a projection from it; a projection that stands by is passed over.
    pub async fn start(&self) -> Result<(), SubscriberError> {
        self.catch_up_members(true).await
    }

    async fn catch_up_members(&self, rebuild: bool) -> Result<(), SubscriberError> {
        for member in &self.members {
            member.start(&self.database, rebuild).await?;
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
        Box::pin(self.catch_up_members(false))
    }

    fn committed(&self, position: Position) {
        for member in &self.members {
            let parked = member.parked();
            let standing = Standing { position, parked };
            self.database.watcher().moved(L::NAME, member.named().0, standing);
        }
    }
}

/// One inline projection, its type erased.
trait Member<L: Log>: Send + Sync {
    /// Its name, and those that it waits for.
    fn named(&self) -> Named;

    /// How many events were parked when it was folded last.
    fn parked(&self) -> u64;

    fn start<'a>(&'a self, database: &'a Database, rebuild: bool) -> BoxFuture<'a, Result<(), SubscriberError>>;

    fn fold<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        expected: Position,
        events: &'a [Recorded<L::Event>],
    ) -> BoxFuture<'a, Result<(), InlineError>>;
}

struct InlineMember<P> {
    table: OnceCell<Arc<Table>>,
    parked: AtomicU64,
    projection: PhantomData<fn() -> P>,
}

impl<P: Projection> Member<P::Log> for InlineMember<P> {
    fn named(&self) -> Named {
        (P::NAME, P::AFTER)
    }

    fn parked(&self) -> u64 {
        self.parked.load(Ordering::Relaxed)
    }

    fn start<'a>(&'a self, database: &'a Database, rebuild: bool) -> BoxFuture<'a, Result<(), SubscriberError>> {
        Box::pin(async move {
            match self.catch_up(database, rebuild).await {
                Err(Failure::StandBy(reason) | Failure::Rebuilding(reason)) => {
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

    /// Without the log's lock, by the ordinary engine: what can't be applied is parked, or halts it.
    async fn catch_up(&self, database: &Database, rebuild: bool) -> Result<(), Failure> {
        self.prepare(database, rebuild).await?;
        let mut runner = Runner::new(PgProjection::<P>::new(database), PgLog::new::<P::Log>(database));
        match runner.catch_up(Lock::Wait).await {
            Err(RunError::Stopped { reason, .. }) => Err(Failure::StandBy(reason)),
            outcome => outcome.map_err(|error| Failure::Other(error.into())),
        }
    }

    async fn prepare(&self, database: &Database, rebuild: bool) -> Result<Checkpoint, Failure> {
        let table = self.table(&mut *database.background().acquire().await?).await?;
        loop {
            match prepare::<P>(database.background(), &table).await {
                Err(Failure::Rebuilding(reason)) if rebuild => {
                    tracing::info!(
                        log = P::Log::NAME,
                        subscriber = P::NAME,
                        reason,
                        "before the first append"
                    );
                    drive::<P>(database).await?;
                }
                outcome => return outcome,
            }
        }
    }

    /// No checkpoint of this VERSION: while a rebuild sees to that, appends pass the projection over.
    async fn without_checkpoint(&self, connection: &mut PgConnection) -> Result<(), InlineError> {
        let rebuild = rebuild_of(connection, P::Log::NAME, P::NAME).await;
        match rebuild.map_err(|error| AppendError::Unavailable(error.into()))? {
            Some(_) => Ok(()),
            None => Err(InlineError::Behind(format!("{} has no checkpoint", P::NAME))),
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
        let (checkpoint, parked) = match lock::<P>(connection, last, Lock::Wait).await {
            // The ordinary engine knows what to leave out.
            Ok(Some(locked)) if locked.discards => return Err(Self::behind_for("it has gone back".into())),
            Ok(Some(locked)) => (locked.checkpoint, locked.parked),
            Ok(None) | Err(Failure::StandBy(_)) => return Ok(()),
            Err(Failure::NoCheckpoint) => return self.without_checkpoint(connection).await,
            Err(failure) => return Err(unavailable(failure)),
        };
        let (checkpoint, parked) = self
            .catch_up_under_lock(connection, &table, (checkpoint, parked), expected)
            .await?;
        let rest = behind(checkpoint, events).ok_or_else(|| unavailable(Failure::NotNext(checkpoint)))?;
        // An append that is repeated because its answer was lost: others may have gone on since.
        if rest.is_empty() {
            return Ok(());
        }
        match take_run::<P>(connection, &table, rest, last, parked).await {
            Err(Failure::Fold(panic)) => Err(AppendError::Projection(panic.into()).into()),
            Err(Failure::Data(error)) => Err(AppendError::Projection(error.into()).into()),
            Err(failure) => Err(unavailable(failure)),
            Ok(parked) => {
                self.parked.store(parked, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    fn behind_for(reason: String) -> InlineError {
        InlineError::Behind(format!("{} is behind: {reason}", P::NAME))
    }

    /// Folds what stands between the checkpoint and the new events; what can't be folded is for the
    /// ordinary engine to judge.
    async fn catch_up_under_lock(
        &self,
        connection: &mut PgConnection,
        table: &Table,
        (mut at, mut parked): (Checkpoint, u64),
        expected: Position,
    ) -> Result<(Checkpoint, u64), InlineError> {
        if expected.get().saturating_sub(at.position.get()) > CATCH_UP_UNDER_LOCK {
            return Err(Self::behind_for("far".into()));
        }
        while at.position < expected {
            let missing = usize::try_from(expected.get() - at.position.get()).unwrap_or(CHUNK);
            let read = read_slice(connection, P::Log::NAME, at.position, missing.min(CHUNK)).await;
            let slice = read.map_err(|error| AppendError::Unavailable(error.into()))?;
            let events = slice.events.iter().map(Recorded::decode).collect::<Result<Vec<_>, _>>();
            let events = events.map_err(|error| Self::behind_for(error_chain(&error)))?;
            let Some(to) = behind(at, &events).and_then(|events| events.last().map(Recorded::checkpoint)) else {
                return Err(Self::behind_for(format!(
                    "it stands at {} of another timeline",
                    at.position
                )));
            };
            parked = match take_run::<P>(connection, table, &events, to, parked).await {
                Err(Failure::Fold(panic)) => return Err(Self::behind_for(panic.to_string())),
                Err(Failure::Data(error)) => return Err(Self::behind_for(error_chain(&error))),
                taken => taken.map_err(unavailable)?,
            };
            at = to;
        }
        Ok((at, parked))
    }
}

fn unavailable(failure: Failure) -> InlineError {
    InlineError::Append(AppendError::Unavailable(match failure {
        Failure::Fold(panic) => panic.into(),
        Failure::Data(error) | Failure::Retry(error) => error.into(),
        Failure::Unparkable(_, reason) => reason.into(),
        Failure::NotNext(at) => format!("the projection stands elsewhere, at {}", at.position).into(),
        Failure::StandBy(reason) | Failure::Rebuilding(reason) => reason.into(),
        Failure::NoCheckpoint => "the projection has no checkpoint of its VERSION".into(),
        Failure::Other(source) => source,
    }))
}
