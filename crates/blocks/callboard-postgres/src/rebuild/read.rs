//! Reads runs of the log, bounded by events and by bytes.

use callboard::{Checkpoint, Event, Position, Recorded, error_chain};
use futures::TryStreamExt;
use sqlx::{PgConnection, Row};

use crate::log::recorded;

/// How many events a first read may have, and any.
pub(super) const LEAST_EVENTS: usize = 200;
const MOST_EVENTS: usize = 1_000;
/// After so many events the thread is left to others for a moment: queries that it serves, too.
const YIELD_EVERY: usize = 100;
/// A read ends with the event that reaches so many bytes of data.
const MOST_BYTES: usize = 8 << 20;

/// What was read.
pub(super) enum Read<E> {
    /// Events behind the checkpoint.
    Run(Run<E>),
    /// The log has another event at the checkpoint, or none.
    Fork,
}

pub(super) struct Run<E> {
    pub(super) events: Vec<Recorded<E>>,
    pub(super) bytes: usize,
    /// Nothing stands behind these.
    pub(super) at_head: bool,
    /// What stands behind these and can't be decoded, and why.
    pub(super) undecodable: Option<(Position, String)>,
}

/// How many events the next read may have after one of so many: a few large ones are found out
/// before many are asked for.
pub(super) fn next_slice(events: usize) -> usize {
    (events * 2).clamp(LEAST_EVENTS, MOST_EVENTS)
}

/// Reads at most `limit` events, starting AT the checkpoint.
pub(super) async fn read_run<E: Event>(
    connection: &mut PgConnection,
    log: &str,
    at: Checkpoint,
    limit: usize,
) -> Result<Read<E>, sqlx::Error> {
    let anchored = at.position > Position::START;
    let asked = i64::try_from(limit).unwrap_or(i64::MAX - 1) + i64::from(anchored);
    let mut rows = sqlx::query(include_str!("../../queries/read_events.sql"))
        .bind(log)
        .bind(at.position.get().cast_signed())
        .bind(asked)
        .fetch(connection);
    let mut previous = at.event_id;
    if anchored {
        let anchor = rows.try_next().await?;
        let anchor = anchor.map(|row| recorded(&row, previous)).transpose()?;
        if anchor.is_none_or(|anchor| anchor.checkpoint() != at) {
            return Ok(Read::Fork);
        }
    }
    let mut run = Run {
        events: Vec::with_capacity(limit),
        bytes: 0,
        at_head: false,
        undecodable: None,
    };
    while run.bytes < MOST_BYTES {
        let Some(row) = rows.try_next().await? else {
            run.at_head = run.events.len() < limit;
            break;
        };
        let event = recorded(&row, previous)?;
        previous = event.id;
        run.bytes += row.try_get::<&str, _>(6)?.len() + row.try_get::<&str, _>(7)?.len();
        if run.events.len() % YIELD_EVERY == YIELD_EVERY - 1 {
            tokio::task::yield_now().await;
        }
        match event.decode() {
            Ok(event) => run.events.push(event),
            Err(error) => {
                run.undecodable = Some((event.position, error_chain(&error)));
                break;
            }
        }
    }
    Ok(Read::Run(run))
}
