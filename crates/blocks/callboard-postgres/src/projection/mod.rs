//! A projection as a subscriber: folds runs of events into its table, each in one transaction with
//! its checkpoint.

mod checkpoint;
mod columns;
mod failure;
mod fold;
mod parked;
pub(crate) mod parked_rows;
mod parking;
mod table;

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use callboard::log::Source;
use callboard::parking::Cause;
use callboard::projection::EventOf;
use callboard::subscription::{Applied, Lock, Subscriber, SubscriberError, behind};
use callboard::{Checkpoint, Log, OnFailure, Position, Projection, Recorded, Standing};
use sqlx::{Connection, PgConnection};

use crate::database::Database;
use crate::halt::Halt;
use crate::rebuild::prepare;
use parked::Looked;

pub(crate) use checkpoint::{Stored, lock, read, registration, version_of};
pub(crate) use failure::Failure;
pub(crate) use fold::{fold_run, load};
pub use parked::PgParking;
use parking::without_discarded;
pub(crate) use parking::{ToPark, park_into, read_discarded, take_run};
pub(crate) use table::{Table, as_text};

/// How often a run is tried again after a deadlock or a serialization failure.
const RETRIES: usize = 4;

/// How long applying a run may take; the server's statement timeout ends it earlier, unless the
/// connection is dead.
const APPLY_DEADLINE: Duration = Duration::from_secs(60);

/// Keeps the table of `P`.
pub struct PgProjection<P> {
    database: Database,
    table: Option<Arc<Table>>,
    looked: Looked,
    projection: PhantomData<fn() -> P>,
}

impl<P: Projection> PgProjection<P> {
    /// The projection `P` on this database.
    pub fn new(database: &Database) -> Self {
        Self {
            database: database.clone(),
            table: None,
            looked: Looked::default(),
            projection: PhantomData,
        }
    }

    async fn table(&mut self) -> Result<Arc<Table>, Failure> {
        if let Some(table) = &self.table {
            return Ok(table.clone());
        }
        let mut connection = self.database.background().acquire().await?;
        let table = Arc::new(Table::look_up::<P>(&mut connection).await?);
        Ok(self.table.insert(table).clone())
    }

    async fn try_start(&mut self) -> Result<Checkpoint, Failure> {
        let table = self.table().await?;
        prepare::<P>(self.database.background(), &table).await
    }

    /// One transaction. With `keep` unset it is rolled back: a try that shows whether the run can
    /// be applied.
    async fn transact(&self, table: &Table, run: Run<'_, P>, keep: bool) -> Result<Applied, Failure> {
        let mut connection = self.database.batches().take().await?;
        let Some(last) = run.events.last().map(Recorded::checkpoint) else {
            let stored = checkpoint::read::<P>(&mut connection).await;
            connection.keep(stored.as_ref().err());
            let checkpoint = stored?.usable::<P>()?;
            return Ok(Applied::Moved { checkpoint, events: 0 });
        };
        let mut transaction = connection.begin().await?;
        let taken = take::<P>(&mut transaction, table, run, last).await;
        let end = match &taken {
            Ok(Taken::Run { .. }) if keep => transaction.commit().await,
            // At once: a connection that is kept must not hold a lock meanwhile.
            _ => transaction.rollback().await,
        };
        connection.keep(end.as_ref().err());
        let taken = taken?;
        end?;
        Ok(match taken {
            Taken::Nothing(applied) => applied,
            Taken::Run { events, parked } => {
                if keep {
                    let position = last.position;
                    let standing = Standing { position, parked };
                    self.database.watcher().moved(P::Log::NAME, P::NAME, standing);
                }
                Applied::Moved {
                    checkpoint: last,
                    events,
                }
            }
        })
    }

    /// [`Self::transact`], again after a deadlock, and with a deadline.
    async fn persist(&self, table: &Table, run: Run<'_, P>, keep: bool) -> Result<Applied, Failure> {
        let mut tries = 0;
        loop {
            let once = tokio::time::timeout(APPLY_DEADLINE, self.transact(table, run, keep));
            match once.await {
                Ok(Err(Failure::Retry(_))) if tries < RETRIES => tries += 1,
                Ok(Err(Failure::NotNext(checkpoint))) => return Ok(Applied::NotNext { checkpoint }),
                Ok(outcome) => return outcome,
                Err(_) => return Err(Failure::Other("applying took too long".into())),
            }
        }
    }

    /// The event at fault in a run that Postgres refuses: the last one of the shortest prefix that
    /// it refuses. Each try is rolled back. `None` when another replica has moved the checkpoint meanwhile:
    /// what it has applied, or parked, says nothing about this run.
    async fn find_culprit(&self, table: &Table, events: &[Recorded<EventOf<P>>]) -> Result<Option<usize>, Failure> {
        let (mut good, mut bad) = (0, events.len());
        while bad - good > 1 {
            let middle = good + (bad - good) / 2;
            let run = Run {
                events: &events[..middle],
                lock: Lock::Wait,
            };
            match self.persist(table, run, false).await {
                Ok(Applied::Moved { events, .. }) if events == middle => good = middle,
                Ok(_) => return Ok(None),
                Err(Failure::Data(_)) => bad = middle,
                Err(other) => return Err(other),
            }
        }
        Ok(Some(bad - 1))
    }

    async fn try_apply(&mut self, run: Run<'_, P>) -> Result<Applied, SubscriberError> {
        let error = |failure: Failure| failure.into_error(P::NAME);
        let table = self.table().await.map_err(error)?;
        match self.persist(&table, run, true).await {
            Err(Failure::Data(source)) => {
                let Some(culprit) = self.find_culprit(&table, run.events).await.map_err(error)? else {
                    let checkpoint = self.checkpoint().await?;
                    return Ok(Applied::NotNext { checkpoint });
                };
                Err(SubscriberError::Permanent {
                    subscriber: P::NAME,
                    position: run.events[culprit].position,
                    source: source.into(),
                })
            }
            outcome => outcome.map_err(error),
        }
    }
}

/// What a transaction did.
enum Taken {
    /// Nothing, for this is how it is.
    Nothing(Applied),
    /// So many events, with so many parked by now.
    Run { events: usize, parked: u64 },
}

/// Locks the checkpoint and takes what is behind it.
async fn take<P: Projection>(
    transaction: &mut PgConnection,
    table: &Table,
    run: Run<'_, P>,
    last: Checkpoint,
) -> Result<Taken, Failure> {
    let Some(locked) = lock::<P>(transaction, last, run.lock).await? else {
        return Ok(Taken::Nothing(Applied::Busy));
    };
    let rest = behind(locked.checkpoint, run.events).ok_or(Failure::NotNext(locked.checkpoint))?;
    if rest.is_empty() {
        return Ok(Taken::Nothing(Applied::Moved {
            checkpoint: locked.checkpoint,
            events: 0,
        }));
    }
    // A run of a lost timeline can look right; the log doesn't hold its last event.
    if !locked.held {
        return Err(Failure::NotNext(locked.checkpoint));
    }
    let kept = without_discarded::<P>(transaction, rest, locked.discards).await?;
    let parked = take_run::<P>(transaction, table, &kept, last, locked.parked).await?;
    Ok(Taken::Run {
        events: rest.len(),
        parked,
    })
}

/// A run to apply.
struct Run<'a, P: Projection> {
    events: &'a [Recorded<EventOf<P>>],
    lock: Lock,
}

impl<P: Projection> Clone for Run<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P: Projection> Copy for Run<'_, P> {}

impl<P: Projection> Subscriber for PgProjection<P> {
    type Log = P::Log;

    fn name(&self) -> &'static str {
        P::NAME
    }

    async fn start(&mut self) -> Result<Checkpoint, SubscriberError> {
        let database = self.database.clone();
        let started = database.in_background(self.try_start()).await;
        started.map_err(|failure| failure.into_error(P::NAME))
    }

    async fn checkpoint(&mut self) -> Result<Checkpoint, SubscriberError> {
        let read = async {
            let mut connection = self.database.background().acquire().await?;
            checkpoint::read::<P>(&mut connection).await?.usable::<P>()
        };
        let read = self.database.in_background(read).await;
        read.map_err(|failure: Failure| failure.into_error(P::NAME))
    }

    async fn apply(&mut self, events: &[Recorded<EventOf<P>>], lock: Lock) -> Result<Applied, SubscriberError> {
        self.try_apply(Run { events, lock }).await
    }

    fn on_failure(&self) -> OnFailure {
        P::ON_FAILURE
    }

    async fn park(
        &mut self,
        event: &Recorded,
        cause: Cause,
        reason: &str,
        lock: Lock,
    ) -> Result<Applied, SubscriberError> {
        let parked = parking::park::<P>(&self.database, event, (cause, reason), lock);
        match self.database.in_background(parked).await {
            Err(Failure::NotNext(checkpoint)) => Ok(Applied::NotNext { checkpoint }),
            outcome => outcome.map_err(|failure| failure.into_error(P::NAME)),
        }
    }

    async fn look_after_parked(&mut self) -> Result<u64, SubscriberError> {
        let looked = PgParking::<P>::new(&self.database).look_after(&mut self.looked).await;
        looked.map_err(|source| SubscriberError::Transient {
            subscriber: P::NAME,
            source,
        })
    }

    async fn halt(&mut self, reason: &str) -> Result<(), SubscriberError> {
        transient::<P, _>(Halt::of::<P>(&self.database).halt(None, reason).await)
    }

    async fn halt_at_unknown(&mut self, position: Position, reason: &str) -> Result<(), SubscriberError> {
        transient::<P, _>(Halt::of::<P>(&self.database).halt(Some(position), reason).await)
    }

    async fn halted_at_unknown(&mut self) -> Result<Option<Position>, SubscriberError> {
        transient::<P, _>(Halt::of::<P>(&self.database).at_unknown().await)
    }

    async fn resume_at_unknown(&mut self, position: Position) -> Result<(), SubscriberError> {
        transient::<P, _>(Halt::of::<P>(&self.database).resume_at_unknown(position).await)
    }
}

fn transient<P: Projection, T>(outcome: Result<T, Source>) -> Result<T, SubscriberError> {
    outcome.map_err(|source| SubscriberError::Transient {
        subscriber: P::NAME,
        source,
    })
}
