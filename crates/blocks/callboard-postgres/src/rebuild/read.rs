//! Reads runs of the log, bounded by events and by bytes.

use std::collections::HashSet;

use callboard::log::Slice;
use callboard::{Checkpoint, Event, Position, Recorded, error_chain};
use sqlx::PgConnection;

use crate::log::read_slice;

/// How many events a first read may have, and any.
pub(super) const LEAST_EVENTS: usize = 200;
pub(super) const MOST_READ: usize = 1_000;
/// After so many events the thread is left to others for a moment: queries that it serves, too.
const YIELD_EVERY: usize = 100;

/// What was read.
pub(super) enum Read<E> {
    /// Events behind the checkpoint.
    Run(Run<E>),
    /// The log has another event at the checkpoint, or none.
    Fork,
}

pub(super) struct Run<E> {
    /// What was read, but for what a person has discarded.
    pub(super) events: Vec<Recorded<E>>,
    /// How many events were read.
    pub(super) read: usize,
    /// The last event that was read.
    pub(super) to: Checkpoint,
    pub(super) bytes: usize,
    /// Nothing stands behind these.
    pub(super) at_head: bool,
    /// What stands behind these and can't be decoded, and why.
    pub(super) undecodable: Option<(Position, String)>,
}

/// How many events the next read may have after one of so many: a few large ones are found out
/// before many are asked for.
pub(super) fn next_slice(events: usize) -> usize {
    (events * 2).clamp(LEAST_EVENTS, MOST_READ)
}

/// Reads at most `limit` events behind the checkpoint.
pub(super) async fn read_run<E: Event>(
    connection: &mut PgConnection,
    log: &str,
    at: Checkpoint,
    limit: usize,
    discarded: &HashSet<Position>,
) -> Result<Read<E>, sqlx::Error> {
    let slice = read_slice(connection, log, at.position, limit).await?;
    Ok(decoded(slice, at, discarded).await)
}

/// What was read behind the checkpoint, decoded.
pub(super) async fn decoded<E: Event>(slice: Slice, at: Checkpoint, discarded: &HashSet<Position>) -> Read<E> {
    let Slice { anchor, events, more } = slice;
    if anchor != Some(at.event_id) {
        return Read::Fork;
    }
    let mut run = Run {
        events: Vec::with_capacity(events.len()),
        read: 0,
        to: at,
        bytes: 0,
        at_head: !more,
        undecodable: None,
    };
    for event in events {
        if run.read % YIELD_EVERY == YIELD_EVERY - 1 {
            tokio::task::yield_now().await;
        }
        if !discarded.contains(&event.position) {
            match event.decode() {
                Ok(event) => run.events.push(event),
                Err(error) => {
                    run.undecodable = Some((event.position, error_chain(&error)));
                    run.at_head = false;
                    break;
                }
            }
        }
        run.read += 1;
        run.bytes += event.event.data.get().len();
        run.to = event.checkpoint();
    }
    Read::Run(run)
}
