//! What a projection does that has no checkpoint of its VERSION: without any, and with a short log, it
//! builds its table at once; otherwise it asks for a rebuild.

use std::time::Duration;

use callboard::subscription::BATCH_MAX_EVENTS;
use callboard::{Checkpoint, Log, Position, Projection};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use tokio::time::Instant;

use super::progress::rebuild_of;
use super::read::{Read, read_run};
use super::{PgRebuild, RebuildStep};
use crate::database::Database;
use crate::projection::{Failure, Stored, Table, fold_run, read, read_discarded, version_of};

/// How long another replica's rebuild is waited for without a sign of it.
const PATIENCE: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Makes the checkpoint of `P` ready, or sees to it that somebody does: [`Failure::Rebuilding`] says
/// how far it is. Until then the table stays as it is, with the checkpoint that it has.
pub(crate) async fn prepare<P: Projection>(pool: &PgPool, table: &Table) -> Result<Checkpoint, Failure> {
    let mut connection = pool.acquire().await?;
    let stored = read::<P>(&mut connection).await?;
    if !must_rebuild::<P>(&stored) {
        return stored.usable::<P>();
    }
    sqlx::query(include_str!("../../queries/register_subscriber.sql"))
        .bind(P::Log::NAME)
        .bind(P::NAME)
        .bind("projection")
        .execute(&mut *connection)
        .await?;
    // A table that is read is never built in place: its readers would see what can't be folded missing.
    let is_read = matches!(stored, Stored::At { .. });
    if !is_read && head(&mut connection, P::Log::NAME).await? <= BATCH_MAX_EVENTS as u64 {
        return build::<P>(&mut connection, table).await;
    }
    begin(&mut connection, P::Log::NAME, P::NAME, version_of::<P>(), None, false).await?;
    let status = rebuild_of(&mut connection, P::Log::NAME, P::NAME).await?;
    match status {
        // It has ended in this moment.
        None => Err(Failure::Other("the rebuild has just ended".into())),
        Some(status) if status.version > version_of::<P>() => Err(Failure::StandBy(format!(
            "it is being rebuilt to VERSION {}, this code has {}",
            status.version,
            P::VERSION
        ))),
        Some(status) => Err(Failure::Rebuilding(status.to_string())),
    }
}

/// Asks for a rebuild; one of the same VERSION that is under way goes on, unless it is to begin `anew`.
pub(super) async fn begin(
    connection: &mut PgConnection,
    log: &str,
    name: &str,
    version: i32,
    throttle: Option<i32>,
    anew: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query(include_str!("../../queries/begin_rebuild.sql"))
        .bind(log)
        .bind(name)
        .bind(version)
        .bind(throttle)
        .bind(anew)
        .execute(connection)
        .await?;
    Ok(())
}

fn must_rebuild<P: Projection>(stored: &Stored) -> bool {
    match stored {
        Stored::Unregistered | Stored::WithoutCheckpoint => true,
        Stored::At { version, .. } => *version < version_of::<P>(),
        Stored::StandBy(_) => false,
    }
}

async fn head(connection: &mut PgConnection, log: &str) -> Result<u64, sqlx::Error> {
    let head: Option<(i64, uuid::Uuid)> = sqlx::query_as(include_str!("../../queries/read_head.sql"))
        .bind(log)
        .fetch_optional(connection)
        .await?;
    Ok(head.map_or(0, |(position, _)| position.unsigned_abs()))
}

/// Builds the table of a short log anew, in one transaction. An event that can't be folded is left to the
/// ordinary engine, with all behind it.
async fn build<P: Projection>(connection: &mut PgConnection, table: &Table) -> Result<Checkpoint, Failure> {
    let mut most = 2 * BATCH_MAX_EVENTS;
    loop {
        most = match try_build::<P>(connection, table, most).await {
            Err((Failure::Fold(panic), _)) => usize::try_from(panic.position.get().saturating_sub(1)).unwrap_or(0),
            Err((Failure::Data(_), taken)) if taken > 0 => taken / 2,
            outcome => return outcome.map_err(|(failure, _)| failure),
        };
    }
}

/// Builds with at most so many events; a failure says how many were taken.
async fn try_build<P: Projection>(
    connection: &mut PgConnection,
    table: &Table,
    most: usize,
) -> Result<Checkpoint, (Failure, usize)> {
    let mut taken = 0;
    let built = async {
        let mut transaction = connection.begin().await?;
        // The subscriber's row serialises the replicas that find no checkpoint.
        sqlx::query(include_str!("../../queries/lock_subscriber.sql"))
            .bind(P::Log::NAME)
            .bind(P::NAME)
            .execute(&mut *transaction)
            .await?;
        let stored = read::<P>(&mut transaction).await?;
        if !must_rebuild::<P>(&stored) {
            return stored.usable::<P>();
        }
        // First the checkpoint, which waits for a replica that is applying to the old one.
        sqlx::query(include_str!("../../queries/begin_checkpoint.sql"))
            .bind(P::Log::NAME)
            .bind(P::NAME)
            .bind(version_of::<P>())
            .execute(&mut *transaction)
            .await?;
        sqlx::query(include_str!("../../queries/end_rebuild.sql"))
            .bind(P::Log::NAME)
            .bind(P::NAME)
            .execute(&mut *transaction)
            .await?;
        sqlx::raw_sql("set local statement_timeout = '10min'")
            .execute(&mut *transaction)
            .await?;
        // Not TRUNCATE: queries go on reading the old rows until the commit.
        let emptied = sqlx::query(AssertSqlSafe(format!("delete from {}", P::TABLE)))
            .execute(&mut *transaction)
            .await?;
        let mut at = Checkpoint::START;
        // Where nothing was read before, the ordinary engine may as well begin.
        let is_new = emptied.rows_affected() == 0 && !matches!(stored, Stored::At { .. });
        if most > 0 && !is_new {
            let discarded = read_discarded::<P>(&mut transaction).await?;
            let run = read_run(&mut transaction, P::Log::NAME, at, most, &discarded).await?;
            let Read::Run(run) = run else {
                return Err(Failure::NotNext(at));
            };
            taken = run.read;
            at = run.to;
            fold_run::<P>(&mut transaction, table, &run.events, at).await?;
        }
        transaction.commit().await?;
        tracing::info!(log = P::Log::NAME, subscriber = P::NAME, version = P::VERSION, position = %at.position, "built");
        Ok(at)
    };
    built.await.map_err(|failure| (failure, taken))
}

/// Brings a rebuild of `P` that is under way to its end; [`Failure::StandBy`] when it is paused or
/// has failed.
pub(crate) async fn drive<P: Projection>(database: &Database) -> Result<(), Failure> {
    let mut rebuild = PgRebuild::<P>::new(database);
    let mut seen: Option<(Position, Instant)> = None;
    loop {
        let step = rebuild.run_once().await.map_err(|error| Failure::Other(error.into()))?;
        let pause = match step {
            RebuildStep::Swapped { .. } => return Ok(()),
            RebuildStep::Moved { rest, .. } => rest,
            RebuildStep::Began | RebuildStep::Smaller => Duration::ZERO,
            RebuildStep::Idle | RebuildStep::Waiting | RebuildStep::Failed { .. } => {
                let status = rebuild_of(&mut *database.background().acquire().await?, P::Log::NAME, P::NAME).await?;
                let Some(status) = status else { return Ok(()) };
                if status.state != "running" || status.version != version_of::<P>() {
                    return Err(Failure::StandBy(status.to_string()));
                }
                let since = seen
                    .filter(|(at, _)| *at == status.position)
                    .map_or_else(Instant::now, |(_, since)| since);
                if since.elapsed() > PATIENCE {
                    return Err(Failure::Other(format!("nothing moves: {status}").into()));
                }
                seen = Some((status.position, since));
                ASK_EVERY
            }
        };
        tokio::time::sleep(pause).await;
    }
}
