//! A rebuild that nobody wants any more.

use super::Rebuildable;
use super::operator::{CHUNK_TIMEOUT, call, deadline, transaction, version_of_table};
use super::parking::forget_build;
use crate::database::Database;
use crate::error::PostgresError;

/// Ends a rebuild for good and drops what it has filled; the table that is being read stays as it is, and
/// was kept up all the while. Answers the VERSION that the new table would have had. With `keep` unset it
/// only looks whether it could. A chunk that is being done is waited for. Dropping the future is safe: the
/// rebuild is cancelled, or as it was.
///
/// # Errors
/// [`PostgresError::Refused`] when none is under way, or when code of this VERSION would begin it again at
/// once: the table that is being read is of a lower one, or has no checkpoint. [`PostgresError::NoSubscriber`],
/// or [`PostgresError::Statement`].
pub async fn cancel_rebuild(database: &Database, projection: Rebuildable, keep: bool) -> Result<i32, PostgresError> {
    let what = "cancelling a rebuild";
    let work = async {
        let mut transaction = transaction(database, CHUNK_TIMEOUT, what).await?;
        // First the rebuild's row, as whoever does a chunk locks it, too.
        let version: Option<i32> = sqlx::query_scalar(include_str!("../../queries/cancel_rebuild.sql"))
            .bind(projection.log)
            .bind(projection.name)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(PostgresError::statement(what))?;
        let live = version_of_table(&mut transaction, projection).await?;
        let version = version.ok_or_else(|| projection.refused("no rebuild is under way".into()))?;
        if live.is_none_or(|live| live < projection.version) {
            return Err(projection.refused(needed(live, projection.version)));
        }
        call(&mut transaction, projection, "select callboard.drop_shadow($1)").await?;
        forget_build(&mut transaction, (projection.log, projection.name), "next")
            .await
            .map_err(PostgresError::statement(what))?;
        if keep {
            transaction.commit().await.map_err(PostgresError::statement(what))?;
        }
        Ok(version)
    };
    deadline(database, work).await
}

/// Why it can't be done without.
fn needed(live: Option<i32>, version: i32) -> String {
    let why = match live {
        Some(live) => {
            format!("the table that is being read is of VERSION {live}, and this code, of VERSION {version},")
        }
        None => "the table that is being read has no checkpoint, and this code".to_owned(),
    };
    let instead = match live {
        Some(_) => "pause the rebuild instead, or deploy the older release first and cancel it with that",
        None => "pause the rebuild instead",
    };
    format!("{why} would begin the rebuild again at once: {instead}")
}
