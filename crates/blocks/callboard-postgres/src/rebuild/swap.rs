//! The end of a rebuild: the shadow takes the table's place.

use callboard::{Checkpoint, Log, Position, Projection, Standing};
use uuid::Uuid;

use super::job::Job;
use super::pace::Pace;
use super::parking::{Parked, forget_build, recount, rename_build};
use super::read::{Read, read_run};
use super::rows::Rows;
use super::{PgRebuild, RebuildStep};
use crate::projection::{Failure, read_discarded, version_of};

/// How many events may be folded while the checkpoint's lock keeps others from applying.
const MOST_UNDER_LOCK: usize = 2_000;

impl<P: Projection> PgRebuild<P> {
    /// Folds the last events under the checkpoint's lock and swaps. Nobody waits longer than the lock
    /// time-out on our account: whoever reads the table for long makes us wait, not the others.
    pub(super) async fn swap(&mut self, mut job: Job, mut rows: Rows<P>) -> Result<RebuildStep, Failure> {
        let at = job.at;
        let locked = self.lock_and_catch_up(&mut job, &mut rows).await;
        let (old, to) = match locked {
            Ok(Some(locked)) => locked,
            // Too much has come meanwhile, or something that a chunk has to judge.
            Ok(None) | Err(Failure::Fold(_) | Failure::Data(_) | Failure::Unparkable(..)) => {
                self.caught_up = false;
                return Ok(RebuildStep::Smaller);
            }
            Err(failure) => return self.waiting(failure, at),
        };
        let version = version_of::<P>();
        if let Some((newer, _)) = old.filter(|(live, _)| *live > version) {
            let reason = format!("the table is of VERSION {newer} by now, this code has {version}");
            return self.give_up(job, reason).await;
        }
        let swapped = sqlx::query("select callboard.swap_shadow($1)")
            .bind(P::TABLE)
            .execute(&mut *job.transaction)
            .await;
        if let Err(error) = swapped {
            if is_lock_timeout(&error) {
                return self.waiting(error.into(), at);
            }
            return self.not_for_this_table(job, error).await;
        }
        job.store::<P>(include_str!("../../queries/put_checkpoint.sql"), version, to)
            .await?;
        match old {
            Some((version, old)) => {
                job.store::<P>(include_str!("../../queries/keep_replaced_checkpoint.sql"), version, old)
                    .await?;
            }
            // What stood there belonged to no checkpoint: nothing to go back to.
            None => {
                sqlx::query("select callboard.drop_replaced($1)")
                    .bind(P::TABLE)
                    .execute(&mut *job.transaction)
                    .await?;
            }
        }
        let name = (P::Log::NAME, P::NAME);
        forget_build(&mut job.transaction, name, "before").await?;
        match old {
            Some(_) => rename_build(&mut job.transaction, name, "live", "before").await?,
            None => forget_build(&mut job.transaction, name, "live").await?,
        }
        rename_build(&mut job.transaction, name, "next", "live").await?;
        let parked = recount(&mut job.transaction, name).await?;
        job.execute::<P>(include_str!("../../queries/end_rebuild.sql")).await?;
        // Whatever halted it is behind the new checkpoint.
        job.execute::<P>(include_str!("../../queries/release_halted.sql"))
            .await?;
        job.transaction.commit().await?;
        self.caught_up = false;
        self.table = None;
        let position = to.position;
        let standing = Standing { position, parked };
        self.database.watcher().moved(P::Log::NAME, P::NAME, standing);
        tracing::info!(log = P::Log::NAME, subscriber = P::NAME, version, position = %to.position, "rebuilt");
        Ok(RebuildStep::Swapped { checkpoint: to })
    }

    /// Locks the live checkpoint and folds to the head; `None` when that is far away.
    async fn lock_and_catch_up(
        &mut self,
        job: &mut Job,
        rows: &mut Rows<P>,
    ) -> Result<Option<(Option<(i32, Checkpoint)>, Checkpoint)>, Failure> {
        sqlx::raw_sql("set local lock_timeout = '100ms'")
            .execute(&mut *job.transaction)
            .await?;
        job.execute::<P>(include_str!("../../queries/lock_subscriber.sql"))
            .await?;
        let old: Option<(i32, i64, Uuid)> = sqlx::query_as(include_str!("../../queries/lock_live_checkpoint.sql"))
            .bind(P::Log::NAME)
            .bind(P::NAME)
            .fetch_optional(&mut *job.transaction)
            .await?;
        let old = old.map(|(version, position, event_id)| {
            let position = Position::new(position.unsigned_abs());
            (version, Checkpoint { position, event_id })
        });
        let discarded = read_discarded::<P>(&mut job.transaction).await?;
        let read = read_run(&mut job.transaction, P::Log::NAME, job.at, MOST_UNDER_LOCK, &discarded).await?;
        let run = match read {
            Read::Run(run) if run.at_head => run,
            Read::Run(_) | Read::Fork => return Ok(None),
        };
        let table = self.shadow(&mut job.transaction).await?;
        let mut parked = Parked::read::<P>(&mut job.transaction).await?;
        let free = parked.part::<P>(&mut job.transaction, run.events).await?;
        rows.fold(&mut job.transaction, &table, &free, run.to).await?;
        // Whoever applies events waits for the end of this.
        let mut pace = Pace::without_rest();
        rows.write(&mut job.transaction, &table, self.most_rows, &mut pace)
            .await?;
        Ok(Some((old, run.to)))
    }

    /// Somebody's lock is in the way. Nothing is remembered of the try, but where it stands.
    fn waiting(&mut self, failure: Failure, at: Checkpoint) -> Result<RebuildStep, Failure> {
        match &failure {
            Failure::Other(source) if source.downcast_ref().is_some_and(is_lock_timeout) => {
                tracing::debug!(
                    log = P::Log::NAME,
                    subscriber = P::NAME,
                    "the swap waits for whoever holds the table"
                );
                self.rows = Rows::unknown_at(at);
                Ok(RebuildStep::Waiting)
            }
            _ => Err(failure),
        }
    }
}

fn is_lock_timeout(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(|error| error.code())
        .is_some_and(|code| code == "55P03")
}
