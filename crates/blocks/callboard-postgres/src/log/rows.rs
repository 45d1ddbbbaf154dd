//! Rows of `callboard.events` as recorded events.

use std::error::Error as StdError;

use callboard::{Metadata, Position, RawEvent, Recorded, StreamName, Version};
use serde_json::value::RawValue;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

/// A number for a `bigint`. Positions and limits never come near its end; if one did, the largest
/// number is the right bound.
pub(super) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A position from a `bigint` that a constraint keeps from being negative.
pub(super) fn position(number: i64) -> Position {
    Position::new(number.unsigned_abs())
}

pub(super) fn decode_error(error: impl StdError + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}

/// The event in the first nine columns, in the order of `queries/read_events.sql`.
pub(crate) fn recorded(row: &PgRow, previous_id: Uuid) -> Result<Recorded, sqlx::Error> {
    let data: String = row.try_get(6)?;
    Ok(Recorded {
        position: position(row.try_get(0)?),
        stream: StreamName::parse(row.try_get(1)?).map_err(decode_error)?,
        version: Version::new(row.try_get::<i64, _>(2)?.unsigned_abs()),
        id: row.try_get(3)?,
        previous_id,
        event: RawEvent {
            event_type: row.try_get::<&str, _>(4)?.into(),
            schema_version: row.try_get::<i32, _>(5)?.unsigned_abs(),
            data: RawValue::from_string(data).map_err(decode_error)?.into(),
        },
        metadata: serde_json::from_str::<Metadata>(row.try_get(7)?).map_err(decode_error)?,
        recorded_at: row.try_get::<jiff_sqlx::Timestamp, _>(8)?.to_jiff(),
    })
}

/// As [`recorded`], with the previous event's id in the tenth column; none at position 1.
pub(super) fn recorded_with_previous(row: &PgRow) -> Result<Recorded, sqlx::Error> {
    recorded(row, row.try_get::<Option<Uuid>, _>(9)?.unwrap_or_default())
}

/// The id in a row, if the row stands at this position.
pub(super) fn id_at(at: Position) -> impl Fn(&PgRow) -> Result<Option<Uuid>, sqlx::Error> {
    move |row| {
        let found = position(row.try_get(0)?);
        if found == at {
            row.try_get(3).map(Some)
        } else {
            Ok(None)
        }
    }
}
