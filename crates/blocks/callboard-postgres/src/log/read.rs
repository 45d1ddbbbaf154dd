//! Reads of a log, bounded by events and by bytes.

use callboard::log::{READ_MAX_BYTES, Slice, StreamEvents};
use callboard::{Position, Recorded};
use futures::{Stream, TryStreamExt};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::rows::{self, recorded};

/// The events behind `after`, with the anchor at `after` itself.
pub(crate) async fn read_slice(
    connection: &mut PgConnection,
    log: &str,
    after: Position,
    limit: usize,
) -> Result<Slice, sqlx::Error> {
    let mut rows = sqlx::query(include_str!("../../queries/read_events.sql"))
        .bind(log)
        .bind(rows::number(after.get()))
        .bind(rows::number(limit as u64).saturating_add(i64::from(after > Position::START)))
        .fetch(connection);
    let anchor = if after == Position::START {
        Some(Uuid::nil())
    } else {
        let anchor = rows.try_next().await?;
        anchor.as_ref().map(rows::id_at(after)).transpose()?.flatten()
    };
    let Some(mut previous) = anchor else {
        return Ok(Slice::default());
    };
    let held = hold(&mut rows, limit, |row| {
        let event = recorded(row, previous)?;
        previous = event.id;
        Ok(event)
    });
    let StreamEvents { events, more, .. } = held.await?;
    Ok(Slice { anchor, events, more })
}

/// Takes rows until `limit` or [`READ_MAX_BYTES`] is reached.
pub(super) async fn hold(
    rows: &mut (impl Stream<Item = Result<PgRow, sqlx::Error>> + Unpin),
    limit: usize,
    mut recorded: impl FnMut(&PgRow) -> Result<Recorded, sqlx::Error>,
) -> Result<StreamEvents, sqlx::Error> {
    let (mut events, mut bytes) = (Vec::new(), 0);
    while events.len() < limit && bytes < READ_MAX_BYTES {
        let Some(row) = rows.try_next().await? else {
            return Ok(held(events, false));
        };
        bytes += row.try_get::<&str, _>(6)?.len() + row.try_get::<&str, _>(7)?.len();
        events.push(recorded(&row)?);
    }
    Ok(held(events, true))
}

fn held(events: Vec<Recorded>, more: bool) -> StreamEvents {
    StreamEvents {
        events,
        more,
        anchor: None,
    }
}

/// The events at these positions, in order.
pub(crate) async fn read_at(
    connection: &mut PgConnection,
    log: &str,
    positions: &[Position],
) -> Result<Vec<Recorded>, sqlx::Error> {
    let positions: Vec<i64> = positions.iter().map(|position| rows::number(position.get())).collect();
    sqlx::query(include_str!("../../queries/read_events_at.sql"))
        .bind(log)
        .bind(positions)
        .fetch_all(connection)
        .await?
        .iter()
        .map(rows::recorded_with_previous)
        .collect()
}
