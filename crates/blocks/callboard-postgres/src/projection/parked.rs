//! What people do with a projection's parked events: list, retry, discard.

use std::collections::HashSet;
use std::marker::PhantomData;

use callboard::log::Source;
use callboard::parking::{Block, Cause, ParkedEvent, Parking, Retried, RetryOutcome, waiting_for_code};
use callboard::projection::EventOf;
use callboard::{Checkpoint, Log, Position, Projection, Recorded, error_chain};
use futures::future::BoxFuture;
use sqlx::{Connection, PgConnection};

use super::checkpoint::lock_for_parked;
use super::failure::Failure;
use super::fold::fold_run;
use super::parked_rows::{Named, count, discard, list, note_failure, unpark};
use super::parking::parked_behind;
use super::table::Table;
use crate::database::Database;
use crate::log::read_at;

/// How many events are read at once to see whether this code can decode them.
const JUDGED_AT_ONCE: usize = 100;

/// What a subscriber has seen of its parked events, so that it needn't look at the same ones again.
#[derive(Default)]
pub(super) struct Looked {
    parked: u64,
    newest: Position,
    /// What this code can't decode.
    hopeless: HashSet<Position>,
}

/// What people do with the parked events of `P`.
pub struct PgParking<P> {
    database: Database,
    projection: PhantomData<fn() -> P>,
}

impl<P: Projection> PgParking<P> {
    const NAMED: Named<'static> = (P::Log::NAME, P::NAME);

    /// The parked events of `P` in this database.
    pub fn new(database: &Database) -> Self {
        Self {
            database: database.clone(),
            projection: PhantomData,
        }
    }

    async fn read(&self) -> Result<Vec<ParkedEvent>, sqlx::Error> {
        list(&mut *self.database.background().acquire().await?, Self::NAMED).await
    }

    /// Takes up the groups that wait for nothing but code like this; returns how many events stay
    /// parked. What this code can't decode it never will: each is tried once.
    pub(super) async fn look_after(&self, looked: &mut Looked) -> Result<u64, Source> {
        let (parked, newest) = self.counted().await?;
        if newest == Position::START || (parked, newest) == (looked.parked, looked.newest) {
            return Ok(parked);
        }
        let listed = self.database.in_background(self.read()).await?;
        self.judge(&listed, looked).await?;
        for group in waiting_for_code(&listed) {
            if group.iter().any(|parked| looked.hopeless.contains(&parked.position)) {
                continue;
            }
            let Retried { positions, outcome } = self.replay_one(&group, false).await?;
            if outcome == RetryOutcome::Applied {
                tracing::info!(
                    log = P::Log::NAME,
                    subscriber = P::NAME,
                    ?positions,
                    "takes up parked events"
                );
            }
        }
        (looked.parked, looked.newest) = self.counted().await?;
        Ok(looked.parked)
    }

    async fn counted(&self) -> Result<(u64, Position), Source> {
        let count = async { count(&mut *self.database.background().acquire().await?, Self::NAMED).await };
        Ok(self.database.in_background(count).await?)
    }

    /// Finds out which of the undecodable events are so for this code, too.
    async fn judge(&self, listed: &[ParkedEvent], looked: &mut Looked) -> Result<(), Source> {
        let undecodable = listed.iter().filter(|parked| parked.cause == Cause::Undecodable);
        let undecodable: Vec<Position> = undecodable.map(|parked| parked.position).collect();
        looked
            .hopeless
            .retain(|position| undecodable.binary_search(position).is_ok());
        let new = undecodable
            .into_iter()
            .filter(|position| !looked.hopeless.contains(position));
        for positions in new.collect::<Vec<_>>().chunks(JUDGED_AT_ONCE) {
            let read = async {
                let mut connection = self.database.background().acquire().await?;
                read_at(&mut connection, P::Log::NAME, positions).await
            };
            let events = self.database.in_background(read).await?;
            let hopeless = events.iter().filter(|event| event.decode::<EventOf<P>>().is_err());
            looked.hopeless.extend(hopeless.map(|event| event.position));
        }
        Ok(())
    }

    async fn replay_one(&self, group: &[&ParkedEvent], dry_run: bool) -> Result<Retried, Source> {
        let replayed = self.database.in_background(self.replay_group(group, dry_run)).await;
        let (positions, replayed) = replayed.map_err(|failure| failure.into_error(P::NAME))?;
        let outcome = match replayed {
            Ok(()) if dry_run => RetryOutcome::WouldApply,
            Ok(()) => RetryOutcome::Applied,
            Err(GroupError::Undecodable(position, reason)) => RetryOutcome::Failed { position, reason },
            Err(GroupError::Failed(position, reason)) => {
                if !dry_run {
                    note_failure(&self.database, Self::NAMED, position, &reason).await?;
                }
                RetryOutcome::Failed { position, reason }
            }
            Err(GroupError::Other(failure)) => return Err(failure.into_error(P::NAME).into()),
        };
        Ok(Retried { positions, outcome })
    }

    /// One transaction; the group as it is under the lock.
    async fn replay_group(
        &self,
        group: &[&ParkedEvent],
        dry_run: bool,
    ) -> Result<(Vec<Position>, Result<(), GroupError>), Failure> {
        let mut connection = self.database.background().acquire().await?;
        let table = Table::look_up::<P>(&mut connection).await?;
        let mut transaction = connection.begin().await?;
        let at = lock_for_parked::<P>(&mut transaction).await?;
        let positions = whole_group::<P>(&mut transaction, group).await?;
        let events = read_at(&mut transaction, P::Log::NAME, &positions).await?;
        let applied = apply_group::<P>(&mut transaction, &table, &events, at).await;
        if applied.is_ok() && !dry_run {
            unpark(&mut transaction, Self::NAMED, &positions).await?;
            transaction.commit().await?;
        }
        Ok((positions, applied))
    }

    async fn discard_one(&self, at: Position, because: &str) -> Result<Option<ParkedEvent>, Failure> {
        let mut connection = self.database.background().acquire().await?;
        let mut transaction = connection.begin().await?;
        // First the rebuild's row, as whoever does a chunk locks it, too.
        let rebuilt: Option<i64> = sqlx::query_scalar(include_str!("../../queries/lock_rebuild_position.sql"))
            .bind(P::Log::NAME)
            .bind(P::NAME)
            .fetch_optional(&mut *transaction)
            .await?;
        if rebuilt.is_some_and(|rebuilt| rebuilt.unsigned_abs() >= at.get()) {
            let reason =
                format!("a rebuild has taken position {at} already: discard it when that has ended, or cancel it");
            return Err(Failure::Other(reason.into()));
        }
        lock_for_parked::<P>(&mut transaction).await?;
        let discarded = discard(&mut transaction, Self::NAMED, at, because).await?;
        transaction.commit().await?;
        Ok(discarded)
    }
}

/// Why a group wasn't applied.
enum GroupError {
    /// This code still doesn't know this event; the reason.
    Undecodable(Position, String),
    /// This event can't be applied; the reason.
    Failed(Position, String),
    Other(Failure),
}

impl<F: Into<Failure>> From<F> for GroupError {
    fn from(failure: F) -> Self {
        Self::Other(failure.into())
    }
}

/// Folds a group in order. What Postgres refuses is looked for event by event: nobody waits for it.
async fn apply_group<P: Projection>(
    connection: &mut PgConnection,
    table: &Table,
    events: &[Recorded],
    at: Checkpoint,
) -> Result<(), GroupError> {
    let decoded = events.iter().map(|event| {
        let decoded = event.decode();
        decoded.map_err(|error| GroupError::Undecodable(event.position, error_chain(&error)))
    });
    let decoded = decoded.collect::<Result<Vec<Recorded<EventOf<P>>>, _>>()?;
    let mut savepoint = connection.begin().await?;
    match fold_run::<P>(&mut savepoint, table, &decoded, at).await {
        Ok(()) => return Ok(savepoint.commit().await?),
        Err(Failure::Fold(panic)) => return Err(GroupError::Failed(panic.position, panic.to_string())),
        Err(Failure::Data(_)) => savepoint.rollback().await?,
        Err(failure) => return Err(GroupError::Other(failure)),
    }
    for event in &decoded {
        match fold_run::<P>(connection, table, std::slice::from_ref(event), at).await {
            Err(Failure::Data(error)) => return Err(GroupError::Failed(event.position, error_chain(&error))),
            outcome => outcome.map_err(GroupError::Other)?,
        }
    }
    Ok(())
}

/// The positions of everything that blocks, or is blocked by, what is in the group.
async fn whole_group<P: Projection>(
    connection: &mut PgConnection,
    group: &[&ParkedEvent],
) -> Result<Vec<Position>, sqlx::Error> {
    let mut blocks: HashSet<Block> = group.iter().flat_map(|parked| parked.blocks.clone()).collect();
    loop {
        let found = parked_behind::<P>(connection, blocks.iter()).await?;
        let more: HashSet<Block> = found.iter().flat_map(|parked| parked.blocks.clone()).collect();
        if more.is_subset(&blocks) {
            return Ok(found.iter().map(|parked| parked.position).collect());
        }
        blocks.extend(more);
    }
}

impl<P: Projection> Parking for PgParking<P> {
    fn log(&self) -> &'static str {
        P::Log::NAME
    }

    fn subscriber(&self) -> &'static str {
        P::NAME
    }

    fn parked(&self) -> BoxFuture<'_, Result<Vec<ParkedEvent>, Source>> {
        Box::pin(async { Ok(self.database.in_background(self.read()).await?) })
    }

    fn replay<'a>(&'a self, group: &'a [&'a ParkedEvent], dry_run: bool) -> BoxFuture<'a, Result<Retried, Source>> {
        Box::pin(self.replay_one(group, dry_run))
    }

    fn give_up<'a>(&'a self, at: Position, reason: &'a str) -> BoxFuture<'a, Result<Option<ParkedEvent>, Source>> {
        Box::pin(async move {
            let discarded = self.database.in_background(self.discard_one(at, reason)).await;
            Ok(discarded.map_err(|failure| failure.into_error(P::NAME))?)
        })
    }
}
