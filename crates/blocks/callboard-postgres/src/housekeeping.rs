//! What operators and a timer do: pause, resume, rewind, and expiry.

use std::time::Duration;

use callboard::Position;
use callboard::pipeline::EventsPerSecond;

use crate::database::Database;
use crate::error::PostgresError;

/// How long idempotency keys are kept by default.
pub const KEYS_KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

/// Deletes at most `limit` idempotency keys that are older than `kept_for`; returns how many. Small
/// batches keep the locks short: call it again while it returns `limit`.
///
/// # Errors
/// [`PostgresError::Statement`].
pub async fn delete_expired_keys(database: &Database, kept_for: Duration, limit: u32) -> Result<u64, PostgresError> {
    let work = sqlx::query_scalar("select callboard.delete_expired_keys(make_interval(secs => $1), $2)")
        .bind(kept_for.as_secs_f64())
        .bind(limit.cast_signed())
        .fetch_one(database.background());
    let deleted: i64 = database
        .in_background(work)
        .await
        .map_err(PostgresError::statement("deleting expired idempotency keys"))?;
    Ok(deleted.unsigned_abs())
}

/// Pauses a subscriber: no replica runs it until it is resumed.
///
/// # Errors
/// [`PostgresError::NoSubscriber`], or [`PostgresError::Statement`].
pub async fn pause_subscriber(database: &Database, log: &str, name: &str, reason: &str) -> Result<(), PostgresError> {
    set_state(database, log, name, "paused", Some(reason)).await
}

/// Lets a paused or halted subscriber run again, behind its checkpoint.
///
/// # Errors
/// [`PostgresError::NoSubscriber`], or [`PostgresError::Statement`].
pub async fn resume_subscriber(database: &Database, log: &str, name: &str) -> Result<(), PostgresError> {
    set_state(database, log, name, "running", None).await
}

/// Moves a relay back, so that everything behind `to` is published again; whether it moved.
///
/// # Errors
/// [`PostgresError::Statement`].
pub async fn rewind_relay(database: &Database, log: &str, to: Position) -> Result<bool, PostgresError> {
    let work = sqlx::query(include_str!("../queries/rewind_relay.sql"))
        .bind(log)
        .bind(to.get().cast_signed())
        .execute(database.background());
    let rewound = database
        .in_background(work)
        .await
        .map_err(PostgresError::statement("rewinding the relay"))?;
    Ok(rewound.rows_affected() == 1)
}

/// Orders how many events of an event handler are begun in a second; whoever runs it takes that up within
/// two seconds. `None` takes the order back: the handler's own limit is in force again.
///
/// # Errors
/// [`PostgresError::NoSubscriber`] also for a subscriber that is no event handler, or
/// [`PostgresError::Statement`].
pub async fn order_handler_rate(
    database: &Database,
    log: &str,
    name: &str,
    rate: Option<EventsPerSecond>,
) -> Result<(), PostgresError> {
    let rate = rate.and_then(|rate| i32::try_from(rate.get()).ok());
    let work = sqlx::query(include_str!("../queries/order_handler_rate.sql"))
        .bind(log)
        .bind(name)
        .bind(rate)
        .execute(database.background());
    let ordered = database.in_background(work).await;
    let ordered = ordered.map_err(PostgresError::statement("ordering an event handler's rate"))?;
    found(ordered.rows_affected(), log, name)
}

async fn set_state(
    database: &Database,
    log: &str,
    name: &str,
    state: &str,
    reason: Option<&str>,
) -> Result<(), PostgresError> {
    let work = sqlx::query(include_str!("../queries/set_subscriber_state.sql"))
        .bind(log)
        .bind(name)
        .bind(state)
        .bind(reason)
        .execute(database.background());
    let changed = database
        .in_background(work)
        .await
        .map_err(PostgresError::statement("changing a subscriber's state"))?;
    found(changed.rows_affected(), log, name)
}

fn found(rows: u64, log: &str, name: &str) -> Result<(), PostgresError> {
    match rows {
        0 => Err(PostgresError::NoSubscriber {
            log: log.into(),
            name: name.into(),
        }),
        _ => Ok(()),
    }
}
