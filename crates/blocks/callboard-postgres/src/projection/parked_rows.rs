//! The rows of parked events of one subscriber, whatever kind it is.

use callboard::log::Source;
use callboard::parking::{Block, Cause, PARKED_MOST, ParkedEvent};
use callboard::{Position, StreamName};
use sqlx::postgres::PgRow;
use sqlx::{Connection, PgConnection, Row};
use uuid::Uuid;

use crate::database::Database;

/// A subscriber, by its log and its name.
pub(crate) type Named<'a> = (&'a str, &'a str);

/// All of them in order, at most [`PARKED_MOST`].
pub(crate) async fn list(
    connection: &mut PgConnection,
    (log, name): Named<'_>,
) -> Result<Vec<ParkedEvent>, sqlx::Error> {
    sqlx::query(include_str!("../../queries/read_parked_events.sql"))
        .bind(log)
        .bind(name)
        .bind(i64::try_from(PARKED_MOST).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await?
        .iter()
        .map(parked_event)
        .collect()
}

/// How many they are, and the newest that waits for code that can decode it.
pub(crate) async fn count(
    connection: &mut PgConnection,
    (log, name): Named<'_>,
) -> Result<(u64, Position), sqlx::Error> {
    let counted: Option<(i64, i64)> = sqlx::query_as(include_str!("../../queries/count_parked_events.sql"))
        .bind(log)
        .bind(name)
        .fetch_optional(connection)
        .await?;
    let (parked, newest) = counted.unwrap_or_default();
    Ok((parked.unsigned_abs(), Position::new(newest.unsigned_abs())))
}

/// These are parked no longer. The caller holds the checkpoint's lock.
pub(crate) async fn unpark(
    connection: &mut PgConnection,
    (log, name): Named<'_>,
    positions: &[Position],
) -> Result<(), sqlx::Error> {
    sqlx::query(include_str!("../../queries/unpark_events.sql"))
        .bind(log)
        .bind(name)
        .bind(positions.iter().copied().map(number).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

/// Gives one up for good; `None` when it isn't parked. The caller holds the checkpoint's lock.
pub(crate) async fn discard(
    connection: &mut PgConnection,
    (log, name): Named<'_>,
    at: Position,
    because: &str,
) -> Result<Option<ParkedEvent>, sqlx::Error> {
    let discarded = sqlx::query(include_str!("../../queries/discard_event.sql"))
        .bind(log)
        .bind(name)
        .bind(number(at))
        .bind(because)
        .fetch_optional(connection)
        .await?;
    discarded.as_ref().map(parked_event).transpose()
}

/// Notes that a retry failed at an event.
pub(crate) async fn note_failed_retry(
    connection: &mut PgConnection,
    (log, name): Named<'_>,
    position: Position,
    reason: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(include_str!("../../queries/note_failed_retry.sql"))
        .bind(log)
        .bind(name)
        .bind(number(position))
        .bind(reason)
        .execute(connection)
        .await?;
    Ok(())
}

/// Locks the checkpoint: whoever deals with parked events holds it.
pub(crate) async fn lock(connection: &mut PgConnection, (log, name): Named<'_>) -> Result<(), sqlx::Error> {
    sqlx::query(include_str!("../../queries/lock_checkpoint.sql"))
        .bind(log)
        .bind(name)
        .bind(0_i64)
        .bind(Uuid::nil())
        .execute(connection)
        .await?;
    Ok(())
}

/// Notes that a retry failed at an event, for subscribers that do nothing else meanwhile.
pub(crate) async fn note_failure(
    database: &Database,
    named: Named<'_>,
    position: Position,
    reason: &str,
) -> Result<(), Source> {
    let work = async {
        let mut connection = database.background().acquire().await?;
        note_failed_retry(&mut connection, named, position, reason).await
    };
    Ok(database.in_background(work).await?)
}

/// Gives a parked event up for good, in a transaction of its own; `None` when it isn't parked.
pub(crate) async fn discard_locked(
    database: &Database,
    named: Named<'_>,
    position: Position,
    because: &str,
) -> Result<Option<ParkedEvent>, Source> {
    let work = async {
        let mut connection = database.background().acquire().await?;
        let mut transaction = connection.begin().await?;
        lock(&mut transaction, named).await?;
        let discarded = discard(&mut transaction, named, position, because).await?;
        transaction.commit().await?;
        Ok::<_, sqlx::Error>(discarded)
    };
    Ok(database.in_background(work).await?)
}

/// A row of `queries/read_parked_events.sql`.
pub(crate) fn parked_event(row: &PgRow) -> Result<ParkedEvent, sqlx::Error> {
    let decode = |error: Source| sqlx::Error::Decode(error);
    let cause: &str = row.try_get(3)?;
    Ok(ParkedEvent {
        position: Position::new(row.try_get::<i64, _>(0)?.unsigned_abs()),
        stream: StreamName::parse(row.try_get(1)?).map_err(|error| decode(error.into()))?,
        blocks: row
            .try_get::<Vec<String>, _>(2)?
            .iter()
            .map(|block| Block::stored(block))
            .collect(),
        cause: Cause::parse(cause).ok_or_else(|| decode(format!("no cause of parking: {cause}").into()))?,
        reason: row.try_get(4)?,
        tries: row.try_get::<i32, _>(5)?.unsigned_abs(),
        parked_at: row.try_get::<jiff_sqlx::Timestamp, _>(6)?.to_jiff(),
    })
}

pub(crate) fn number(position: Position) -> i64 {
    position.get().cast_signed()
}
