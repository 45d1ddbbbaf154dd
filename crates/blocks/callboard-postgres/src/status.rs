//! How every log and subscriber of a database is doing.

use std::collections::BTreeMap;

use callboard::Position;
use callboard::pipeline::EventsPerSecond;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};

use crate::error::PostgresError;
use crate::rebuild::{RebuildStatus, Replaced};

/// A log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LogStatus {
    /// Its name.
    pub log: String,
    /// Its last position.
    pub head: Position,
    /// When its last event was recorded.
    pub recorded_at: Option<Timestamp>,
    /// How far it is published; `None` when no relay ever ran.
    pub published: Option<Position>,
    /// Whether a relay holds the lease.
    pub relay_active: bool,
    /// Its subscribers, by name.
    pub subscribers: Vec<SubscriberStatus>,
}

/// A subscriber.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SubscriberStatus {
    /// Its name.
    pub name: String,
    /// `projection`, `process_manager` or `event_handler`.
    pub kind: String,
    /// `running`, `paused` or `halted`.
    pub state: String,
    /// Why it doesn't run.
    pub reason: Option<String>,
    /// The VERSION of its checkpoint; `None` without a checkpoint.
    pub version: Option<i32>,
    /// Its checkpoint.
    pub checkpoint: Option<Position>,
    /// When the checkpoint moved last.
    pub moved_at: Option<Timestamp>,
    /// How many events it is behind the head.
    pub lag_events: u64,
    /// How old the first event is that it has not applied, in seconds.
    pub lag_seconds: f64,
    /// How many commands wait to be sent.
    pub pending_commands: u64,
    /// The rebuild of its table, if one is wanted.
    pub rebuild: Option<RebuildStatus>,
    /// The table that the last rebuild replaced, while it can be put back.
    pub replaced: Option<Replaced>,
    /// How many events are parked.
    pub parked: u64,
    /// The rate that an operator has ordered of an event handler.
    pub events_per_second: Option<EventsPerSecond>,
}

/// Reads the status of every log.
///
/// # Errors
/// [`PostgresError`] when the database can't be asked.
pub async fn status(pool: &PgPool) -> Result<Vec<LogStatus>, PostgresError> {
    read(pool).await.map_err(PostgresError::statement("reading the status"))
}

async fn read(pool: &PgPool) -> Result<Vec<LogStatus>, sqlx::Error> {
    // Subscribers first: a checkpoint is never ahead of a head that is read later.
    let mut subscribers: BTreeMap<String, Vec<SubscriberStatus>> = BTreeMap::new();
    for row in sqlx::query(include_str!("../queries/read_subscribers_status.sql"))
        .fetch_all(pool)
        .await?
    {
        subscribers
            .entry(row.try_get(0)?)
            .or_default()
            .push(subscriber_status(&row)?);
    }
    let mut logs = Vec::new();
    for row in sqlx::query(include_str!("../queries/read_logs_status.sql"))
        .fetch_all(pool)
        .await?
    {
        let mut log = log_status(&row)?;
        log.subscribers = subscribers.remove(&log.log).unwrap_or_default();
        for subscriber in &mut log.subscribers {
            let checkpoint = subscriber.checkpoint.unwrap_or_default();
            subscriber.lag_events = log.head.get().saturating_sub(checkpoint.get());
            if let Some(rebuild) = &mut subscriber.rebuild {
                rebuild.aim_at(log.head);
            }
        }
        logs.push(log);
    }
    Ok(logs)
}

fn position(number: i64) -> Position {
    Position::new(number.unsigned_abs())
}

fn time(row: &PgRow, index: usize) -> Result<Option<Timestamp>, sqlx::Error> {
    Ok(row
        .try_get::<Option<jiff_sqlx::Timestamp>, _>(index)?
        .map(jiff_sqlx::Timestamp::to_jiff))
}

fn log_status(row: &PgRow) -> Result<LogStatus, sqlx::Error> {
    Ok(LogStatus {
        log: row.try_get(0)?,
        head: position(row.try_get(1)?),
        recorded_at: time(row, 2)?,
        published: row.try_get::<Option<i64>, _>(3)?.map(position),
        relay_active: row.try_get::<Option<bool>, _>(4)?.unwrap_or(false),
        subscribers: Vec::new(),
    })
}

fn subscriber_status(row: &PgRow) -> Result<SubscriberStatus, sqlx::Error> {
    Ok(SubscriberStatus {
        name: row.try_get(1)?,
        kind: row.try_get(2)?,
        state: row.try_get(3)?,
        reason: row.try_get(4)?,
        version: row.try_get(5)?,
        checkpoint: row.try_get::<Option<i64>, _>(6)?.map(position),
        moved_at: time(row, 7)?,
        lag_events: 0,
        lag_seconds: row.try_get::<Option<f64>, _>(8)?.unwrap_or(0.0).max(0.0),
        pending_commands: row.try_get::<i64, _>(9)?.unsigned_abs(),
        rebuild: rebuild(row)?,
        replaced: replaced(row)?,
        parked: row.try_get::<i64, _>(17)?.unsigned_abs(),
        events_per_second: row.try_get::<Option<i32>, _>(18)?.and_then(rate),
    })
}

/// A rate as it is stored. The schema holds no other numbers.
pub(crate) fn rate(stored: i32) -> Option<EventsPerSecond> {
    i64::from(stored).try_into().ok()
}

fn rebuild(row: &PgRow) -> Result<Option<RebuildStatus>, sqlx::Error> {
    let Some(version) = row.try_get::<Option<i32>, _>(10)? else {
        return Ok(None);
    };
    let (state, reason, position) = (row.try_get(11)?, row.try_get(12)?, row.try_get(13)?);
    Ok(Some(RebuildStatus::new((
        version,
        state,
        reason,
        position,
        row.try_get(14)?,
        position,
    ))))
}

fn replaced(row: &PgRow) -> Result<Option<Replaced>, sqlx::Error> {
    let Some(version) = row.try_get::<Option<i32>, _>(15)? else {
        return Ok(None);
    };
    let checkpoint = position(row.try_get(16)?);
    Ok(Some(Replaced { version, checkpoint }))
}
