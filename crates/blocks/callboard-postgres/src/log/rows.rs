//! Rows of `callboard.events` as recorded events.

use std::error::Error as StdError;
use std::sync::Arc;

use callboard::{Metadata, Position, RawEvent, Recorded, StreamName, Version};
use jiff::Timestamp;
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

/// A query with its parameters written into it, the log and numbers: for messages that can't have any.
pub(super) fn written_into(query: &str, log: &str, numbers: &[i64]) -> String {
    let log = format!("'{}'", log.replace('\'', "''"));
    let numbers = numbers.iter().enumerate();
    numbers.fold(query.replace("$1", &log), |query, (index, number)| {
        query.replace(&format!("${}", index + 2), &number.to_string())
    })
}

/// The columns of `queries/read_events.sql`.
pub(super) struct Columns<'a> {
    pub(super) position: i64,
    pub(super) stream: &'a str,
    pub(super) version: i64,
    pub(super) id: Uuid,
    pub(super) event_type: Arc<str>,
    pub(super) schema_version: i32,
    pub(super) data: String,
    pub(super) metadata: &'a str,
    pub(super) recorded_at: Timestamp,
}

impl Columns<'_> {
    /// The event, with the id of the one before it.
    pub(super) fn recorded(self, previous_id: Uuid) -> Result<Recorded, sqlx::Error> {
        Ok(Recorded {
            position: position(self.position),
            stream: StreamName::parse(self.stream).map_err(decode_error)?,
            version: Version::new(self.version.unsigned_abs()),
            id: self.id,
            previous_id,
            event: RawEvent {
                event_type: self.event_type,
                schema_version: self.schema_version.unsigned_abs(),
                data: RawValue::from_string(self.data).map_err(decode_error)?.into(),
            },
            metadata: serde_json::from_str::<Metadata>(self.metadata).map_err(decode_error)?,
            recorded_at: self.recorded_at,
        })
    }
}

/// The event in the first nine columns, in the order of `queries/read_events.sql`.
pub(crate) fn recorded(row: &PgRow, previous_id: Uuid) -> Result<Recorded, sqlx::Error> {
    let columns = Columns {
        position: row.try_get(0)?,
        stream: row.try_get(1)?,
        version: row.try_get(2)?,
        id: row.try_get(3)?,
        event_type: row.try_get::<&str, _>(4)?.into(),
        schema_version: row.try_get(5)?,
        data: row.try_get(6)?,
        metadata: row.try_get(7)?,
        recorded_at: row.try_get::<jiff_sqlx::Timestamp, _>(8)?.to_jiff(),
    };
    columns.recorded(previous_id)
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
