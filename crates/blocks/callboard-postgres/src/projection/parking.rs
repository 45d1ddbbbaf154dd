//! Parking: events that a projection can't apply, and what must wait behind them.
//!
//! Whoever parks or unparks holds the checkpoint's lock, whose row has their number: an event is
//! never applied by somebody who doesn't know yet what was parked.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};

use callboard::log::Source;
use callboard::parking::{
    Block, Cause, PARKED_MOST, ParkedEvent, Parted, TOO_MANY, UNKNOWN_KEYS, behind_reason, blocks_of, blocks_of_raw,
    part,
};
use callboard::projection::EventOf;
use callboard::subscription::{Applied, Lock, behind};
use callboard::{Checkpoint, Log, Position, Projection, Recorded, Standing, StreamName};
use sqlx::{Connection, PgConnection};

use super::checkpoint::{self, LockedCheckpoint};
use super::failure::Failure;
use super::fold::{fold_run, move_checkpoint};
use super::parked_rows::{count, number, parked_event};
use super::table::Table;
use crate::database::Database;

/// Applies what of a run may be applied, parks what must wait behind parked events, and moves the
/// checkpoint `to`. `parked` says how many there are; returns how many there are afterwards. The
/// caller holds the checkpoint's lock.
pub(crate) async fn take_run<P: Projection>(
    connection: &mut PgConnection,
    table: &Table,
    events: &[Recorded<EventOf<P>>],
    to: Checkpoint,
    parked: u64,
) -> Result<u64, Failure> {
    if parked == 0 {
        fold_run::<P>(connection, table, events, to).await?;
        return Ok(parked);
    }
    let blocks = events.iter().map(blocks_of::<P>).collect::<Result<Vec<_>, _>>()?;
    let met = parked_behind::<P>(connection, blocks.iter().flatten()).await?;
    let blocked: HashSet<Block> = met.iter().flat_map(|parked| parked.blocks.clone()).collect();
    let Parted { free, behind } = part::<P::Log>(events, blocks, blocked);
    let behind: Vec<_> = behind
        .into_iter()
        .map(|(event, blocks)| ToPark {
            position: event.position,
            reason: behind_reason(&blocks, &met),
            stream: event.stream,
            blocks,
        })
        .collect();
    insert::<P>(connection, &behind, Cause::Behind).await?;
    fold_run::<P>(connection, table, &free, to).await?;
    Ok(parked + behind.len() as u64)
}

/// What a person has given up for good: whoever passes it again leaves it out again.
pub(crate) async fn read_discarded<P: Projection>(
    connection: &mut PgConnection,
) -> Result<HashSet<Position>, sqlx::Error> {
    let discarded: Vec<i64> = sqlx::query_scalar(include_str!("../../queries/read_discarded_events.sql"))
        .bind(P::Log::NAME)
        .bind(P::NAME)
        .fetch_all(connection)
        .await?;
    Ok(discarded
        .into_iter()
        .map(|position| Position::new(position.unsigned_abs()))
        .collect())
}

/// A run without what was discarded of it, if there are `discards` at all.
pub(super) async fn without_discarded<'a, P: Projection>(
    connection: &mut PgConnection,
    events: &'a [Recorded<EventOf<P>>],
    discards: bool,
) -> Result<Cow<'a, [Recorded<EventOf<P>>]>, Failure> {
    if !discards {
        return Ok(Cow::Borrowed(events));
    }
    let discarded = read_discarded::<P>(connection).await?;
    let kept = events.iter().filter(|event| !discarded.contains(&event.position));
    Ok(Cow::Owned(kept.cloned().collect()))
}

/// Parks an event that continues the checkpoint, and moves the checkpoint over it.
pub(super) async fn park<P: Projection>(
    database: &Database,
    event: &Recorded,
    (cause, reason): (Cause, &str),
    lock: Lock,
) -> Result<Applied, Failure> {
    let mut connection = database.background().acquire().await?;
    let mut transaction = connection.begin().await?;
    let to = event.checkpoint();
    let Some(locked) = checkpoint::lock::<P>(&mut transaction, to, lock).await? else {
        return Ok(Applied::Busy);
    };
    let LockedCheckpoint {
        checkpoint,
        held,
        parked: before,
        discards,
    } = locked;
    let rest = behind(checkpoint, std::slice::from_ref(event)).ok_or(Failure::NotNext(checkpoint))?;
    if rest.is_empty() {
        return Ok(Applied::Moved { checkpoint, events: 0 });
    }
    if !held {
        return Err(Failure::NotNext(checkpoint));
    }
    let is_discarded = discards && read_discarded::<P>(&mut transaction).await?.contains(&event.position);
    if !is_discarded {
        let blocks = blocks_of_raw::<P>(event).ok_or(Failure::Unparkable(event.position, UNKNOWN_KEYS))?;
        let parked = ToPark {
            position: event.position,
            stream: event.stream.clone(),
            blocks,
            reason: reason.into(),
        };
        insert::<P>(&mut transaction, &[parked], cause).await?;
    }
    move_checkpoint::<P>(&mut transaction, to).await?;
    transaction.commit().await?;
    let standing = Standing {
        position: to.position,
        parked: before + u64::from(!is_discarded),
    };
    database.watcher().moved(P::Log::NAME, P::NAME, standing);
    Ok(Applied::Moved {
        checkpoint: to,
        events: 1,
    })
}

/// An event on its way to be parked.
pub(crate) struct ToPark {
    pub(crate) position: Position,
    pub(crate) stream: StreamName,
    pub(crate) blocks: Vec<Block>,
    pub(crate) reason: String,
}

async fn insert<P: Projection>(connection: &mut PgConnection, parked: &[ToPark], cause: Cause) -> Result<(), Failure> {
    let Some(first) = parked.first() else { return Ok(()) };
    let (held, _) = count(connection, (P::Log::NAME, P::NAME)).await?;
    if held + parked.len() as u64 > PARKED_MOST as u64 {
        return Err(Failure::Unparkable(first.position, TOO_MANY));
    }
    park_into::<P>(connection, include_str!("../../queries/park_events.sql"), parked, cause).await
}

/// Parks events by this statement.
pub(crate) async fn park_into<P: Projection>(
    connection: &mut PgConnection,
    statement: &'static str,
    parked: &[ToPark],
    cause: Cause,
) -> Result<(), Failure> {
    let blocks = parked.iter().map(|parked| serde_json::to_string(&parked.blocks));
    let blocks = blocks.collect::<Result<Vec<_>, _>>().map_err(Source::from)?;
    sqlx::query(statement)
        .bind(P::Log::NAME)
        .bind(P::NAME)
        .bind(parked.iter().map(|parked| number(parked.position)).collect::<Vec<_>>())
        .bind(parked.iter().map(|parked| parked.stream.as_str()).collect::<Vec<_>>())
        .bind(blocks)
        .bind(parked.iter().map(|parked| parked.reason.as_str()).collect::<Vec<_>>())
        .bind(cause.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn parked_behind<P: Projection>(
    connection: &mut PgConnection,
    blocks: impl Iterator<Item = &Block>,
) -> Result<Vec<ParkedEvent>, sqlx::Error> {
    let blocks: BTreeSet<&str> = blocks.map(Block::as_str).collect();
    sqlx::query(include_str!("../../queries/read_parked_behind.sql"))
        .bind(P::Log::NAME)
        .bind(P::NAME)
        .bind(blocks.into_iter().collect::<Vec<_>>())
        .fetch_all(connection)
        .await?
        .iter()
        .map(parked_event)
        .collect()
}
