//! Folds a run of events into a table and moves the checkpoint, in a transaction of the caller's.

use std::collections::HashMap;

use callboard::log::Source;
use callboard::projection::{EventOf, fold, keys_of};
use callboard::{Checkpoint, Log, Projection, Recorded};
use sqlx::{AssertSqlSafe, PgConnection};

use super::failure::Failure;
use super::table::Table;

/// Loads the rows of the run's keys, folds, writes what came of them and moves the checkpoint `to`:
/// two statements, or one where no key is touched. The caller holds the checkpoint's lock.
pub(crate) async fn fold_run<P: Projection>(
    connection: &mut PgConnection,
    table: &Table,
    events: &[Recorded<EventOf<P>>],
    to: Checkpoint,
) -> Result<(), Failure> {
    let keys = keys_of::<P>(events)?;
    if keys.is_empty() {
        return move_checkpoint::<P>(connection, to).await;
    }
    let rows = load::<P>(connection, table, &keys.iter().collect::<Vec<_>>()).await?;
    let folded = fold::<P>(rows, events)?;
    write::<P>(connection, table, &folded, to).await
}

/// The rows of these keys, of those that have one.
pub(crate) async fn load<P: Projection>(
    connection: &mut PgConnection,
    table: &Table,
    keys: &[&P::Key],
) -> Result<HashMap<P::Key, P::Row>, Failure> {
    let found: Vec<(i64, String)> = sqlx::query_as(AssertSqlSafe(table.load.as_str()))
        .bind(table.keys_json::<P>(keys.iter().copied())?)
        .fetch_all(connection)
        .await?;
    let mut rows = HashMap::with_capacity(found.len());
    for (index, row) in found {
        let index = usize::try_from(index - 1).expect("the index of a key counts from 1");
        let row = serde_json::from_str(&row).map_err(|error| Failure::Other(error.into()))?;
        rows.insert(keys[index].clone(), row);
    }
    Ok(rows)
}

async fn write<P: Projection>(
    connection: &mut PgConnection,
    table: &Table,
    folded: &HashMap<P::Key, Option<P::Row>>,
    to: Checkpoint,
) -> Result<(), Failure> {
    let (rows, gone) = as_json::<P>(table, folded)?;
    let statement = if gone.is_some() {
        &table.write_and_delete
    } else {
        &table.write
    };
    let mut query = sqlx::query(AssertSqlSafe(statement.as_str()))
        .bind(P::Log::NAME)
        .bind(P::NAME)
        .bind(to.position.get().cast_signed())
        .bind(to.event_id)
        .bind(rows);
    if let Some(gone) = gone {
        query = query.bind(gone);
    }
    query.execute(connection).await?;
    Ok(())
}

/// The rows to write, and the keys whose rows to delete, if there are any.
fn as_json<P: Projection>(
    table: &Table,
    folded: &HashMap<P::Key, Option<P::Row>>,
) -> Result<(String, Option<String>), Source> {
    let rows: Vec<&P::Row> = folded.values().flatten().collect();
    let gone: Vec<&P::Key> = folded
        .iter()
        .filter(|(_, row)| row.is_none())
        .map(|(key, _)| key)
        .collect();
    let gone = (!gone.is_empty())
        .then(|| table.keys_json::<P>(gone.into_iter()))
        .transpose()?;
    Ok((serde_json::to_string(&rows)?, gone))
}

pub(super) async fn move_checkpoint<P: Projection>(
    connection: &mut PgConnection,
    to: Checkpoint,
) -> Result<(), Failure> {
    sqlx::query(include_str!("../../queries/move_checkpoint.sql"))
        .bind(P::Log::NAME)
        .bind(P::NAME)
        .bind(to.position.get().cast_signed())
        .bind(to.event_id)
        .execute(connection)
        .await?;
    Ok(())
}
