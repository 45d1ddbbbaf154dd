//! One chunk of a rebuild: a large run of the log, folded in memory, written at once.

use std::time::{Duration, Instant};

use callboard::parking::Cause;
use callboard::{Checkpoint, Log, Position, Projection};

use super::job::Job;
use super::pace::Pace;
use super::parking::Parked;
use super::read::{Read, next_slice, read_run};
use super::rows::Rows;
use super::{PgRebuild, RebuildStep};
use crate::projection::{Failure, Table, read_discarded};

/// A chunk ends with whichever comes first: so many events, so much of their text, so many rows to
/// write, so long. The more events share a chunk, the fewer times a busy row is written.
pub(super) const MOST_EVENTS: usize = 200_000;
const MOST_BYTES: usize = 64 << 20;
const MOST_TOUCHED: usize = 50_000;
const LONGEST: Duration = Duration::from_secs(3);

/// How far a chunk is.
struct Filling {
    at: Checkpoint,
    events: usize,
    /// Why it ended: nothing stands behind it, or what does can't be decoded.
    at_head: bool,
    undecodable: Option<(Position, String)>,
    forked: bool,
}

impl<P: Projection> PgRebuild<P> {
    pub(super) async fn chunk(&mut self, mut job: Job, rows: Rows<P>) -> Result<RebuildStep, Failure> {
        let began = Instant::now();
        let table = self.shadow(&mut job.transaction).await?;
        let mut rows = rows.valid_at(job.at, &table);
        let mut filling = Filling {
            at: job.at,
            events: 0,
            at_head: false,
            undecodable: None,
            forked: false,
        };
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
        let mut parked = Parked::read::<P>(&mut job.transaction).await?;
        let discarded = read_discarded::<P>(&mut job.transaction).await?;
        let mut pace = Pace::beside(&self.database);
        let mut bytes = 0;
        while filling.events < most && bytes < MOST_BYTES && rows.touched() < MOST_TOUCHED && began.elapsed() < LONGEST
        {
            let limit = self.slice.min(most - filling.events);
            let run = match read_run(&mut job.transaction, P::Log::NAME, filling.at, limit, &discarded).await? {
                Read::Run(run) => run,
                Read::Fork => {
                    filling.forked = true;
                    return Ok(());
                }
            };
            self.slice = next_slice(run.read);
            filling.events += run.read;
            bytes += run.bytes;
            filling.at = run.to;
            let free = parked.part::<P>(&mut job.transaction, run.events).await?;
            rows.fold(&mut job.transaction, table, &free, filling.at).await?;
            filling.at_head = run.at_head;
            filling.undecodable = run.undecodable;
            pace.breathe().await;
            if filling.at_head || filling.undecodable.is_some() {
                break;
            }
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
