//! Parked events of a table that is being rebuilt. They are kept apart from those of the table that is
//! being read, and take their place with it.

use std::collections::HashSet;

use callboard::parking::{Block, Cause, PARKED_MOST, Parted, TOO_MANY, UNKNOWN_KEYS, blocks_of, blocks_of_raw, part};
use callboard::projection::EventOf;
use callboard::{Log, OnFailure, Position, Projection, Recorded};
use sqlx::PgConnection;

use super::job::Job;
use super::{PgRebuild, RebuildStep};
use crate::log::read_at;
use crate::projection::{Failure, ToPark, park_into};

/// What is parked of the shadow.
pub(super) struct Parked {
    blocked: HashSet<Block>,
    count: usize,
}

impl Parked {
    pub(super) async fn read<P: Projection>(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let (blocks, count): (Vec<String>, i64) = sqlx::query_as(include_str!("../../queries/read_next_blocks.sql"))
            .bind(P::Log::NAME)
            .bind(P::NAME)
            .fetch_one(connection)
            .await?;
        Ok(Self {
            blocked: blocks.iter().map(|block| Block::stored(block)).collect(),
            count: usize::try_from(count).unwrap_or(usize::MAX),
        })
    }

    /// What of a run may be folded; the rest is parked.
    pub(super) async fn part<P: Projection>(
        &mut self,
        connection: &mut PgConnection,
        events: Vec<Recorded<EventOf<P>>>,
    ) -> Result<Vec<Recorded<EventOf<P>>>, Failure> {
        if self.blocked.is_empty() {
            return Ok(events);
        }
        let blocks = events.iter().map(blocks_of::<P>).collect::<Result<Vec<_>, _>>()?;
        let Parted { free, behind } = part::<P::Log>(&events, blocks, self.blocked.clone());
        let behind: Vec<ToPark> = behind
            .into_iter()
            .map(|(event, blocks)| ToPark {
                position: event.position,
                stream: event.stream,
                blocks,
                reason: "waits behind a parked event".into(),
            })
            .collect();
        self.park::<P>(connection, behind, Cause::Behind).await?;
        Ok(free)
    }

    async fn park<P: Projection>(
        &mut self,
        connection: &mut PgConnection,
        parked: Vec<ToPark>,
        cause: Cause,
    ) -> Result<(), Failure> {
        let Some(first) = parked.first() else { return Ok(()) };
        self.count += parked.len();
        if self.count > PARKED_MOST {
            return Err(Failure::Unparkable(first.position, TOO_MANY));
        }
        let statement = include_str!("../../queries/park_next_events.sql");
        park_into::<P>(connection, statement, &parked, cause).await?;
        self.blocked.extend(parked.into_iter().flat_map(|parked| parked.blocks));
        Ok(())
    }
}

impl<P: Projection> PgRebuild<P> {
    /// The one place where it ends that an event can't be folded or stored, today or tomorrow. It is
    /// parked if it is the next one; if others stand before it, a shorter chunk ends with these first.
    pub(super) async fn park_or_give_up(
        &mut self,
        job: Job,
        position: Position,
        (cause, reason): (Cause, String),
    ) -> Result<RebuildStep, Failure> {
        let in_front = position.get().saturating_sub(job.at.position.next().get());
        if P::ON_FAILURE == OnFailure::Halt {
            return self.give_up(job, format!("position {position}: {reason}")).await;
        }
        if in_front > 0 {
            self.most = usize::try_from(in_front).unwrap_or(usize::MAX);
            return Ok(RebuildStep::Smaller);
        }
        // A failed statement has ended the transaction.
        job.transaction.rollback().await?;
        let Some(mut job) = Job::lock::<P>(&self.database).await? else {
            return Ok(RebuildStep::Smaller);
        };
        let events = read_at(&mut job.transaction, P::Log::NAME, &[position]).await?;
        let next = events.first().filter(|event| event.previous_id == job.at.event_id);
        let Some(event) = next.filter(|event| event.position == job.at.position.next()) else {
            return Ok(RebuildStep::Smaller);
        };
        let parked = match blocks_of_raw::<P>(event) {
            Some(blocks) => Ok(blocks),
            None => Err(Failure::Unparkable(position, UNKNOWN_KEYS)),
        };
        let parked = match parked {
            Ok(blocks) => self.park(&mut job, event, blocks, (cause, &reason)).await,
            Err(failure) => Err(failure),
        };
        match parked {
            Err(Failure::Unparkable(_, why)) => {
                self.give_up(job, format!("position {position}: {reason}; it can't be parked: {why}"))
                    .await
            }
            Err(failure) => Err(failure),
            Ok(()) => {
                job.transaction.commit().await?;
                tracing::error!(
                    log = P::Log::NAME,
                    subscriber = P::NAME,
                    %position,
                    %cause,
                    reason,
                    "PARKED in a rebuild: needs a person"
                );
                self.caught_up = false;
                Ok(RebuildStep::Moved {
                    position,
                    events: 1,
                    rest: std::time::Duration::ZERO,
                })
            }
        }
    }

    async fn park(
        &self,
        job: &mut Job,
        event: &Recorded,
        blocks: Vec<Block>,
        (cause, reason): (Cause, &str),
    ) -> Result<(), Failure> {
        let parked = ToPark {
            position: event.position,
            stream: event.stream.clone(),
            blocks,
            reason: reason.into(),
        };
        let mut held = Parked::read::<P>(&mut job.transaction).await?;
        held.park::<P>(&mut job.transaction, vec![parked], cause).await?;
        job.move_to::<P>(event.checkpoint(), None).await
    }
}

/// The parked events of `from` are those of `to` from now on.
pub(super) async fn rename_build(
    connection: &mut PgConnection,
    (log, name): (&str, &str),
    from: &str,
    to: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(include_str!("../../queries/rename_parked_build.sql"))
        .bind(log)
        .bind(name)
        .bind(from)
        .bind(to)
        .execute(connection)
        .await?;
    Ok(())
}

/// Forgets the parked events of a table that is no more.
pub(super) async fn forget_build(
    connection: &mut PgConnection,
    (log, name): (&str, &str),
    build: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(include_str!("../../queries/forget_parked_build.sql"))
        .bind(log)
        .bind(name)
        .bind(build)
        .execute(connection)
        .await?;
    Ok(())
}

/// Puts the number of parked events into the checkpoint's row, without those that were discarded while
/// others stood for the table; returns it.
pub(super) async fn recount(connection: &mut PgConnection, (log, name): (&str, &str)) -> Result<u64, sqlx::Error> {
    sqlx::query(include_str!("../../queries/forget_discarded_events.sql"))
        .bind(log)
        .bind(name)
        .execute(&mut *connection)
        .await?;
    let parked: Option<i64> = sqlx::query_scalar(include_str!("../../queries/recount_parked_events.sql"))
        .bind(log)
        .bind(name)
        .fetch_optional(connection)
        .await?;
    Ok(parked.map_or(0, i64::unsigned_abs))
}
