//! Rebuilds a projection beside the table that is being read, and puts it in that table's place.
//!
//! A row in `callboard.rebuilds` asks for it and holds how far it is; whoever locks the row does the
//! next chunk, in one transaction, so any number of replicas may try and a killed one is followed.

mod ahead;
mod cancel;
mod chunk;
mod job;
mod operator;
mod pace;
mod parking;
mod progress;
mod read;
mod rows;
mod seen;
mod start;
mod swap;
mod write;

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use callboard::subscription::{Backoff, SubscriberError};
use callboard::{Checkpoint, Log, Position, Projection, error_chain};
use sqlx::PgConnection;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::database::{Database, within};
use crate::log::PgLog;
use crate::projection::{Failure, Table};

pub use cancel::cancel_rebuild;
pub use operator::{Rebuildable, drop_replaced, pause_rebuild, rebuild_projection, resume_rebuild, undo_rebuild};
pub(crate) use progress::rebuild_of;
pub use progress::{RebuildStatus, Replaced};
pub(crate) use start::{drive, prepare};

use job::Job;
use rows::Rows;

/// How often a rebuild is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How many rows a rebuild keeps in memory.
const MOST_ROWS: usize = 100_000;

/// How long a step may take; the server's timeout ends a statement earlier, unless the connection is
/// dead.
const STEP_DEADLINE: Duration = Duration::from_secs(11 * 60);

/// What a step did.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RebuildStep {
    /// Nothing: nobody wants a rebuild, it is paused or failed, or another replica is at it.
    Idle,
    /// It began: an empty table was made.
    Began,
    /// It got on.
    Moved {
        /// Up to here.
        position: Position,
        /// By so many events.
        events: usize,
        /// How long to rest, for the sake of the throttle.
        rest: Duration,
    },
    /// Postgres refuses something in the last run, which is tried again with fewer events.
    Smaller,
    /// It is done but for the swap, which somebody's lock keeps off for the moment.
    Waiting,
    /// Done: the new table is read from now on.
    Swapped {
        /// Its checkpoint.
        checkpoint: Checkpoint,
    },
    /// It can't go on without a person; the table that is being read is as it was.
    Failed {
        /// Why, for people.
        reason: String,
    },
}

/// Rebuilds the table of `P` whenever somebody wants it: a higher VERSION of its code, or an operator.
pub struct PgRebuild<P: Projection> {
    database: Database,
    /// For reading ahead.
    log: PgLog,
    /// The shadow.
    table: Option<Arc<Table>>,
    rows: Rows<P>,
    /// How many events a chunk may have: fewer after Postgres refused one.
    most: usize,
    /// How many rows may be kept in memory.
    most_rows: usize,
    /// How many events the next read may have.
    slice: usize,
    /// The head was reached in the last chunk.
    caught_up: bool,
    /// Changes when a rebuild was ordered.
    ordered: Option<watch::Receiver<()>>,
    look_every: Duration,
    projection: PhantomData<fn() -> P>,
}

impl<P: Projection> PgRebuild<P> {
    /// A rebuilder of `P` on this database.
    pub fn new(database: &Database) -> Self {
        Self {
            database: database.clone(),
            log: PgLog::new::<P::Log>(database),
            table: None,
            rows: Rows::default(),
            most: chunk::MOST_EVENTS,
            most_rows: MOST_ROWS,
            slice: read::LEAST_EVENTS,
            caught_up: false,
            ordered: None,
            look_every: LOOK_EVERY,
            projection: PhantomData,
        }
    }

    /// Looks for a rebuild at once when this changes: see [`crate::Wakeups::rebuilds`].
    #[must_use]
    pub fn woken_by(mut self, ordered: watch::Receiver<()>) -> Self {
        self.ordered = Some(ordered);
        self
    }

    /// Looks for one so often without being woken; every second without it.
    #[must_use]
    pub fn looking_every(mut self, time: Duration) -> Self {
        self.look_every = time;
        self
    }

    /// Keeps at most so many rows in memory; 100,000 without it.
    #[must_use]
    pub fn keeping(mut self, rows: usize) -> Self {
        self.most_rows = rows;
        self
    }

    /// Rebuilds whenever it is wanted, until `shutdown`; stops between steps, never inside one.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut backoff = Backoff::default();
        let mut waits = Backoff::new(Duration::from_millis(200), Duration::from_secs(2));
        loop {
            let step = self.run_once().await;
            if step.is_ok() {
                backoff.reset();
            }
            if !matches!(step, Ok(RebuildStep::Waiting)) {
                waits.reset();
            }
            let is_idle = matches!(step, Ok(RebuildStep::Idle | RebuildStep::Failed { .. }));
            let pause = match step {
                Ok(RebuildStep::Idle | RebuildStep::Failed { .. }) => self.look_every,
                Ok(RebuildStep::Waiting) => waits.next_delay(),
                Ok(RebuildStep::Moved { rest, .. }) => rest,
                Ok(RebuildStep::Began | RebuildStep::Smaller | RebuildStep::Swapped { .. }) => Duration::ZERO,
                Err(error) => {
                    tracing::warn!(
                        log = P::Log::NAME,
                        subscriber = P::NAME,
                        error = error_chain(&error),
                        "the rebuild goes on in a while"
                    );
                    backoff.next_delay()
                }
            };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = ordered(&mut self.ordered), if is_idle => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Does the next step of a rebuild, in one transaction. Dropping the future is safe: the step is
    /// done again.
    ///
    /// # Errors
    /// [`SubscriberError::Transient`]: nothing was changed, and it is worth another try.
    pub async fn run_once(&mut self) -> Result<RebuildStep, SubscriberError> {
        // Taken before anything can fail: what is remembered counts only behind one's own last commit.
        let rows = std::mem::take(&mut self.rows);
        let step = within(STEP_DEADLINE, self.step(rows)).await;
        match step {
            Err(Failure::Retry(_)) => Ok(RebuildStep::Waiting),
            outcome => outcome.map_err(|failure| failure.into_error(P::NAME)),
        }
    }

    async fn step(&mut self, rows: Rows<P>) -> Result<RebuildStep, Failure> {
        if !self.is_wanted().await? {
            self.table = None;
            return Ok(RebuildStep::Idle);
        }
        let Some(job) = Job::lock::<P>(&self.database).await? else {
            return Ok(RebuildStep::Idle);
        };
        if !job.has_shadow {
            self.table = None;
            return self.begin(job).await;
        }
        if self.caught_up && rows.stand_at(job.at) {
            return self.swap(job, rows).await;
        }
        self.chunk(job, rows).await
    }

    async fn is_wanted(&self) -> Result<bool, Failure> {
        let wanted = sqlx::query_scalar(include_str!("../../queries/is_rebuild_wanted.sql"))
            .bind(P::Log::NAME)
            .bind(P::NAME)
            .bind(crate::projection::version_of::<P>())
            .fetch_one(self.database.background());
        Ok(self.database.in_background(wanted).await?)
    }

    /// Makes the empty shadow.
    async fn begin(&mut self, mut job: Job) -> Result<RebuildStep, Failure> {
        let made = sqlx::query("select callboard.create_shadow($1)")
            .bind(P::TABLE)
            .execute(&mut *job.transaction)
            .await;
        if let Err(error) = made {
            return self.not_for_this_table(job, error).await;
        }
        for statement in [
            include_str!("../../queries/mark_rebuild_begun.sql"),
            include_str!("../../queries/forget_replaced_checkpoint.sql"),
        ] {
            job.execute::<P>(statement).await?;
        }
        for build in ["next", "before"] {
            parking::forget_build(&mut job.transaction, (P::Log::NAME, P::NAME), build).await?;
        }
        job.transaction.commit().await?;
        tracing::info!(
            log = P::Log::NAME,
            subscriber = P::NAME,
            version = P::VERSION,
            "a rebuild begins"
        );
        self.caught_up = false;
        self.rows = Rows::empty();
        Ok(RebuildStep::Began)
    }

    /// The functions of the migrations refuse tables by their own codes; anything else passes.
    async fn not_for_this_table(&mut self, job: Job, error: sqlx::Error) -> Result<RebuildStep, Failure> {
        match refusal(&error) {
            Some(reason) => self.give_up(job, reason).await,
            None => Err(error.into()),
        }
    }

    /// The rebuild fails, and the table that is being read stays as it was.
    async fn give_up(&mut self, job: Job, reason: String) -> Result<RebuildStep, Failure> {
        job.transaction.rollback().await?;
        let failed = sqlx::query(include_str!("../../queries/fail_rebuild.sql"))
            .bind(P::Log::NAME)
            .bind(P::NAME)
            .bind(crate::projection::version_of::<P>())
            .bind(&reason)
            .execute(self.database.background());
        self.database.in_background(failed).await?;
        tracing::error!(
            log = P::Log::NAME,
            subscriber = P::NAME,
            reason,
            "a rebuild FAILED: needs a person"
        );
        Ok(RebuildStep::Failed { reason })
    }

    async fn shadow(&mut self, connection: &mut PgConnection) -> Result<Arc<Table>, Failure> {
        if let Some(table) = &self.table {
            return Ok(table.clone());
        }
        let name = sqlx::query_scalar("select callboard.shadow_of($1)")
            .bind(P::TABLE)
            .fetch_one(&mut *connection)
            .await?;
        let table = Arc::new(Table::look_up::<P>(connection).await?.named(name));
        Ok(self.table.insert(table).clone())
    }
}

/// Comes back when a rebuild may have been ordered.
async fn ordered(orders: &mut Option<watch::Receiver<()>>) {
    if let Some(receiver) = orders
        && receiver.changed().await.is_ok()
    {
        return;
    }
    // Nobody tells, or not any more.
    *orders = None;
    std::future::pending().await
}

/// What the functions of the migrations refuse, in their words.
fn refusal(error: &sqlx::Error) -> Option<String> {
    const REFUSALS: [&str; 4] = ["55000", "2BP01", "42501", "42P01"];
    let error = error.as_database_error()?;
    let refused = error.code().is_some_and(|code| REFUSALS.contains(&&*code));
    refused.then(|| error.message().to_owned())
}
