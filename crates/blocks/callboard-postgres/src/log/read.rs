//! Reads of a log, bounded by events and by bytes.

use callboard::log::{READ_MAX_BYTES, Slice, StreamEvents};
use callboard::{Position, Recorded, StreamName, Version};
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
    let query = include_str!("../../queries/read_events.sql");
    slice_of(query, connection, log, after, limit).await
}

/// What a query answers that has the parameters and the columns of `read_events.sql`.
pub(super) async fn slice_of(
    query: &'static str,
    connection: &mut PgConnection,
    log: &str,
    after: Position,
    limit: usize,
) -> Result<Slice, sqlx::Error> {
    let mut rows = sqlx::query(query)
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

/// The events of these streams behind these versions, as [`callboard::log::LogReader::read_streams`] gives them.
pub(super) async fn read_streams(
    connection: &mut PgConnection,
    log: &str,
    streams: &[(StreamName, Version)],
    (up_to, limit): (Position, usize),
) -> Result<StreamEvents, sqlx::Error> {
    let mut wanted: Vec<_> = streams
        .iter()
        .map(|(stream, after)| (stream.as_str(), *after))
        .collect();
    wanted.sort_unstable();
    let (names, versions): (Vec<&str>, Vec<i64>) = wanted
        .into_iter()
        .map(|(stream, after)| (stream, rows::number(after.get())))
        .unzip();
    let mut anchor = None;
    let rows = sqlx::query(include_str!("../../queries/read_streams.sql"))
        .bind(log)
        .bind(names)
        .bind(versions)
        .bind(rows::number(up_to.get()))
        .bind(rows::number(limit as u64))
        .fetch(connection);
    let mut events = rows.try_filter(|row| {
        anchor = row.get(10);
        std::future::ready(row.get::<Option<i64>, _>(0).is_some())
    });
    let held = hold(&mut events, limit, rows::recorded_with_previous).await;
    drop(events);
    let held = held?;
    let in_order = held.events.is_sorted_by_key(|event| (&event.stream, event.version));
    if !in_order {
        return Err(sqlx::Error::Protocol("streams weren't read in order".into()));
    }
    Ok(StreamEvents { anchor, ..held })
}

/// Takes rows until `limit` or [`READ_MAX_BYTES`] is reached.
async fn hold(
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
