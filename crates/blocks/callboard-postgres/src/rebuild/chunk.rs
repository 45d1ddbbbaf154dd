//! One chunk of a rebuild: a large run of the log, folded in memory, written at once.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use callboard::log::Slice;
use callboard::parking::Cause;
use callboard::{Checkpoint, Log, Position, Projection};

use super::ahead::Ahead;
use super::job::Job;
use super::pace::Pace;
use super::parking::Parked;
use super::read::{MOST_READ, Read, decoded, next_slice};
use super::rows::Rows;
use super::{PgRebuild, RebuildStep};
use crate::log::read_slice;
use crate::projection::{Failure, Table, read_discarded};

/// A chunk ends with whichever comes first: so many events, so much of their text, so many rows to
/// write, so long. The more events share a chunk, the fewer times a busy row is written.
pub(super) const MOST_EVENTS: usize = 1_000_000;
const MOST_BYTES: usize = 64 << 20;
const MOST_TOUCHED: usize = 50_000;
const LONGEST: Duration = Duration::from_secs(3);

/// How far a chunk is.
struct Filling {
    at: Checkpoint,
    events: usize,
    bytes: usize,
    /// Why it ended: nothing stands behind it, or what does can't be decoded.
    at_head: bool,
    undecodable: Option<(Position, String)>,
    forked: bool,
}

impl Filling {
    fn from(at: Checkpoint) -> Self {
        Self {
            at,
            events: 0,
            bytes: 0,
            at_head: false,
            undecodable: None,
            forked: false,
        }
    }

    /// Nothing behind what was read belongs to this chunk.
    fn has_ended(&self) -> bool {
        self.at_head || self.forked || self.undecodable.is_some()
    }
}

/// What isn't folded, or not now.
struct Withheld {
    parked: Parked,
    discarded: HashSet<Position>,
}

impl<P: Projection> PgRebuild<P> {
    pub(super) async fn chunk(&mut self, mut job: Job, rows: Rows<P>) -> Result<RebuildStep, Failure> {
        let began = Instant::now();
        let table = self.shadow(&mut job.transaction).await?;
        let mut rows = rows.valid_at(job.at, &table);
        let mut filling = Filling::from(job.at);
        match self.fill(&mut job, &table, &mut rows, &mut filling).await {
            Ok(()) => {}
            Err(Failure::Fold(panic)) => {
                let why = (Cause::Failed, panic.to_string());
                return self.park_or_give_up(job, panic.position, why).await;
            }
            Err(Failure::Data(error)) if filling.events <= 1 => {
                let (position, why) = (job.at.position.next(), (Cause::Failed, error.to_string()));
                return self.park_or_give_up(job, position, why).await;
            }
            Err(Failure::Unparkable(position, why)) => {
                return self.give_up(job, format!("position {position}: {why}")).await;
            }
            Err(Failure::Data(_)) => {
                self.most = filling.events / 2;
                return Ok(RebuildStep::Smaller);
            }
            Err(other) => return Err(other),
        }
        if filling.forked {
            let reason = format!(
                "the log has another event at its position {}: another timeline; begin the rebuild anew",
                job.at.position
            );
            return self.give_up(job, reason).await;
        }
        match filling.undecodable.take() {
            Some((position, reason)) if filling.events == 0 => {
                self.park_or_give_up(job, position, (Cause::Undecodable, reason)).await
            }
            _ => self.keep(job, rows, &filling, began.elapsed()).await,
        }
    }

    /// Reads, folds and writes.
    async fn fill(
        &mut self,
        job: &mut Job,
        table: &Table,
        rows: &mut Rows<P>,
        filling: &mut Filling,
    ) -> Result<(), Failure> {
        let began = Instant::now();
        let most = job.throttle.map_or(self.most, |throttle| throttle.min(self.most));
        let mut withheld = Withheld {
            parked: Parked::read::<P>(&mut job.transaction).await?,
            discarded: read_discarded::<P>(&mut job.transaction).await?,
        };
        let mut pace = Pace::beside(&self.database);
        let mut ahead = Ahead::of(&self.log);
        while !filling.has_ended()
            && filling.events < most
            && filling.bytes < MOST_BYTES
            && rows.touched() < MOST_TOUCHED
            && began.elapsed() < LONGEST
        {
            let slice = match ahead.next().await {
                Some(slice) => slice,
                None => {
                    let limit = self.slice.min(most - filling.events);
                    read_slice(&mut job.transaction, P::Log::NAME, filling.at.position, limit).await?
                }
            };
            self.slice = next_slice(slice.events.len());
            let left = most.saturating_sub(filling.events + slice.events.len());
            // Both processors at once only when nobody queries.
            if left >= MOST_READ && !pace.is_beside_queries() {
                ahead.behind(&slice);
            } else {
                ahead.stop();
            }
            take_in(job, table, rows, &mut withheld, filling, slice).await?;
            pace.breathe().await;
        }
        // Nobody reads what comes behind this chunk while its rows are written.
        drop(ahead);
        if filling.forked {
            return Ok(());
        }
        rows.write(&mut job.transaction, table, self.most_rows, &mut pace).await
    }

    async fn keep(
        &mut self,
        mut job: Job,
        rows: Rows<P>,
        filling: &Filling,
        took: Duration,
    ) -> Result<RebuildStep, Failure> {
        let (at, events) = (filling.at, filling.events);
        let pace = job.throttle.map(|throttle| events as f64 / throttle as f64);
        let rest = Duration::from_secs_f64(pace.unwrap_or(0.0)).saturating_sub(took);
        // A handful of events measures the round trips only.
        let measured = (events >= 100).then(|| events as f64 / (took + rest).as_secs_f64());
        job.move_to::<P>(at, measured).await?;
        if filling.at_head && !self.caught_up {
            let analyzed = sqlx::query("select callboard.analyze_shadow($1)")
                .bind(P::TABLE)
                .execute(&mut *job.transaction)
                .await;
            if let Err(error) = analyzed {
                return self.not_for_this_table(job, error).await;
            }
        }
        job.transaction.commit().await?;
        self.rows = rows;
        self.most = self.most.saturating_mul(2).min(MOST_EVENTS);
        self.caught_up = filling.at_head;
        tracing::debug!(log = P::Log::NAME, subscriber = P::NAME, position = %at.position, events, "rebuilding");
        Ok(RebuildStep::Moved {
            position: at.position,
            events,
            rest,
        })
    }
}

/// Folds what was read.
async fn take_in<P: Projection>(
    job: &mut Job,
    table: &Table,
    rows: &mut Rows<P>,
    withheld: &mut Withheld,
    filling: &mut Filling,
    slice: Slice,
) -> Result<(), Failure> {
    let Read::Run(run) = decoded(slice, filling.at, &withheld.discarded).await else {
        filling.forked = true;
        return Ok(());
    };
    filling.events += run.read;
    filling.bytes += run.bytes;
    filling.at = run.to;
    let free = withheld.parked.part::<P>(&mut job.transaction, run.events).await?;
    rows.fold(&mut job.transaction, table, &free, filling.at).await?;
    filling.at_head = run.at_head;
    filling.undecodable = run.undecodable;
    Ok(())
}
