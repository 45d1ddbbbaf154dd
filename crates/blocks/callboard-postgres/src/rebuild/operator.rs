//! What operators do about rebuilds.

use callboard::{Checkpoint, Log, Position, Projection};
use sqlx::{PgConnection, PgTransaction};
use uuid::Uuid;

use super::parking::{forget_build, recount, rename_build};
use super::progress::rebuild_of;
use super::start::begin;
use crate::database::Database;
use crate::error::PostgresError;
use crate::projection::version_of;

/// A chunk of a rebuild ends within this time.
pub(super) const CHUNK_TIMEOUT: &str = "set local lock_timeout = '20s'";
/// Nobody who reads the table waits longer behind us.
const READERS_TIMEOUT: &str = "set local lock_timeout = '100ms'";

/// A projection of this code, as rebuilding needs to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuildable {
    /// Its log.
    pub log: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its VERSION.
    pub version: i32,
    /// Its table.
    pub table: &'static str,
}

impl Rebuildable {
    /// As `P` says.
    pub fn of<P: Projection>() -> Self {
        Self {
            log: P::Log::NAME,
            name: P::NAME,
            version: version_of::<P>(),
            table: P::TABLE,
        }
    }

    fn unknown(&self) -> PostgresError {
        PostgresError::NoSubscriber {
            log: self.log.into(),
            name: self.name.into(),
        }
    }

    pub(super) fn refused(&self, reason: String) -> PostgresError {
        PostgresError::Refused {
            log: self.log.into(),
            name: self.name.into(),
            reason,
        }
    }
}

type Row = (i32, i64, Uuid);

/// Begins a rebuild of a projection beside the table that is being read, which is kept up meanwhile;
/// whoever runs [`crate::PgRebuild`] for it does the work. One that is under way begins anew. At most
/// `throttle` events a second, if given. With `keep` unset it only looks whether it could.
///
/// # Errors
/// [`PostgresError::Refused`] when the table can't be rebuilt beside itself or this code is older
/// than the table, [`PostgresError::NoSubscriber`], or [`PostgresError::Statement`].
pub async fn rebuild_projection(
    database: &Database,
    projection: Rebuildable,
    throttle: Option<i32>,
    keep: bool,
) -> Result<(), PostgresError> {
    let what = "beginning a rebuild";
    let work = async {
        let mut transaction = transaction(database, CHUNK_TIMEOUT, what).await?;
        let version = version_of_table(&mut transaction, projection).await?;
        if let Some(version) = version.filter(|version| *version > projection.version) {
            let reason = format!(
                "its table is of VERSION {version}, this code has {}",
                projection.version
            );
            return Err(projection.refused(reason));
        }
        call(&mut transaction, projection, "select callboard.rebuildable_table($1)").await?;
        begin(
            &mut transaction,
            projection.log,
            projection.name,
            projection.version,
            throttle,
            true,
        )
        .await
        .map_err(PostgresError::statement(what))?;
        if keep {
            transaction.commit().await.map_err(PostgresError::statement(what))?;
        }
        Ok(())
    };
    deadline(database, work).await
}

/// Puts the table back that the last rebuild replaced, with its checkpoint; the subscriber applies
/// what is missing. What it replaces is kept in turn.
///
/// # Errors
/// [`PostgresError::Refused`] when there is none, or code of this VERSION would rebuild it at once.
pub async fn undo_rebuild(database: &Database, projection: Rebuildable) -> Result<(), PostgresError> {
    let what = "undoing a rebuild";
    let work = async {
        let mut transaction = transaction(database, READERS_TIMEOUT, what).await?;
        lock_subscriber(&mut transaction, projection).await?;
        if let Some(status) = rebuild_of(&mut transaction, projection.log, projection.name)
            .await
            .map_err(PostgresError::statement(what))?
        {
            return Err(projection.refused(format!("{status}; let it end first")));
        }
        let live = lock(
            &mut transaction,
            projection,
            include_str!("../../queries/lock_live_checkpoint.sql"),
        )
        .await?;
        let replaced = lock(
            &mut transaction,
            projection,
            include_str!("../../queries/lock_replaced_checkpoint.sql"),
        )
        .await?;
        let (Some((live_version, live)), Some((version, replaced))) = (live, replaced) else {
            return Err(projection.refused("no replaced table is kept".into()));
        };
        if version < projection.version {
            let reason = format!(
                "the replaced table is of VERSION {version} and this code, of VERSION {}, would rebuild it at once: deploy \
                 the older release first and undo it with that",
                projection.version
            );
            return Err(projection.refused(reason));
        }
        call(&mut transaction, projection, "select callboard.undo_swap($1)").await?;
        let put = include_str!("../../queries/put_checkpoint.sql");
        store(&mut transaction, projection, put, version, replaced).await?;
        let keep = include_str!("../../queries/keep_replaced_checkpoint.sql");
        store(&mut transaction, projection, keep, live_version, live).await?;
        let name = (projection.log, projection.name);
        let parked = async {
            forget_build(&mut transaction, name, "next").await?;
            rename_build(&mut transaction, name, "live", "next").await?;
            rename_build(&mut transaction, name, "before", "live").await?;
            rename_build(&mut transaction, name, "next", "before").await?;
            recount(&mut transaction, name).await
        };
        parked.await.map_err(PostgresError::statement(what))?;
        transaction.commit().await.map_err(PostgresError::statement(what))
    };
    deadline(database, work).await
}

/// Drops the table that the last rebuild replaced: there is no undo from then on. Whether there was one.
///
/// # Errors
/// [`PostgresError::Refused`] or [`PostgresError::Statement`].
pub async fn drop_replaced(database: &Database, projection: Rebuildable) -> Result<bool, PostgresError> {
    let what = "dropping a replaced table";
    let work = async {
        let mut transaction = transaction(database, READERS_TIMEOUT, what).await?;
        call(&mut transaction, projection, "select callboard.drop_replaced($1)").await?;
        let forgotten = sqlx::query(include_str!("../../queries/forget_replaced_checkpoint.sql"))
            .bind(projection.log)
            .bind(projection.name)
            .execute(&mut *transaction)
            .await
            .map_err(PostgresError::statement(what))?;
        forget_build(&mut transaction, (projection.log, projection.name), "before")
            .await
            .map_err(PostgresError::statement(what))?;
        transaction.commit().await.map_err(PostgresError::statement(what))?;
        Ok(forgotten.rows_affected() > 0)
    };
    deadline(database, work).await
}

/// Pauses a rebuild where it is; the table that is being read is kept up all the same.
///
/// # Errors
/// [`PostgresError::Refused`] when none is under way, or [`PostgresError::Statement`].
pub async fn pause_rebuild(database: &Database, log: &str, name: &str, reason: &str) -> Result<(), PostgresError> {
    set_state(database, log, name, "paused", Some(reason)).await
}

/// Lets a paused or failed rebuild go on where it was.
///
/// # Errors
/// As [`pause_rebuild`].
pub async fn resume_rebuild(database: &Database, log: &str, name: &str) -> Result<(), PostgresError> {
    set_state(database, log, name, "running", None).await
}

async fn set_state(
    database: &Database,
    log: &str,
    name: &str,
    state: &str,
    reason: Option<&str>,
) -> Result<(), PostgresError> {
    let what = "changing a rebuild's state";
    let work = async {
        let mut transaction = transaction(database, CHUNK_TIMEOUT, what).await?;
        let changed = sqlx::query(include_str!("../../queries/set_rebuild_state.sql"))
            .bind(log)
            .bind(name)
            .bind(state)
            .bind(reason)
            .execute(&mut *transaction)
            .await
            .map_err(PostgresError::statement(what))?;
        transaction.commit().await.map_err(PostgresError::statement(what))?;
        Ok(changed)
    };
    let changed = deadline(database, work).await?;
    match changed.rows_affected() {
        0 => Err(PostgresError::Refused {
            log: log.into(),
            name: name.into(),
            reason: "no rebuild is under way".into(),
        }),
        _ => Ok(()),
    }
}

pub(super) async fn deadline<T>(
    database: &Database,
    work: impl Future<Output = Result<T, PostgresError>>,
) -> Result<T, PostgresError> {
    tokio::time::timeout(database.background_deadline(), work)
        .await
        .unwrap_or_else(|_| Err(PostgresError::Unreachable(sqlx::Error::PoolTimedOut)))
}

pub(super) async fn transaction(
    database: &Database,
    lock_timeout: &'static str,
    what: &'static str,
) -> Result<PgTransaction<'static>, PostgresError> {
    let begin = async {
        let mut transaction = database.background().begin().await?;
        sqlx::raw_sql(lock_timeout).execute(&mut *transaction).await?;
        Ok(transaction)
    };
    begin.await.map_err(PostgresError::statement(what))
}

/// The VERSION of its checkpoint, whatever its state; `None` without a checkpoint.
pub(super) async fn version_of_table(
    connection: &mut PgConnection,
    projection: Rebuildable,
) -> Result<Option<i32>, PostgresError> {
    type Row = (Option<i32>, Option<i64>, Option<Uuid>, String, Option<String>);
    let row: Option<Row> = sqlx::query_as(include_str!("../../queries/read_checkpoint.sql"))
        .bind(projection.log)
        .bind(projection.name)
        .fetch_optional(connection)
        .await
        .map_err(PostgresError::statement("reading the checkpoint"))?;
    row.map(|(version, ..)| version).ok_or_else(|| projection.unknown())
}

async fn lock_subscriber(connection: &mut PgConnection, projection: Rebuildable) -> Result<(), PostgresError> {
    let found: Option<i32> = sqlx::query_scalar(include_str!("../../queries/lock_subscriber.sql"))
        .bind(projection.log)
        .bind(projection.name)
        .fetch_optional(connection)
        .await
        .map_err(PostgresError::statement("locking the subscriber"))?;
    found.map(drop).ok_or_else(|| projection.unknown())
}

async fn lock(
    connection: &mut PgConnection,
    projection: Rebuildable,
    statement: &'static str,
) -> Result<Option<(i32, Checkpoint)>, PostgresError> {
    let row: Option<Row> = sqlx::query_as(statement)
        .bind(projection.log)
        .bind(projection.name)
        .fetch_optional(connection)
        .await
        .map_err(PostgresError::statement("locking a checkpoint"))?;
    Ok(row.map(|(version, position, event_id)| {
        let position = Position::new(position.unsigned_abs());
        (version, Checkpoint { position, event_id })
    }))
}

async fn store(
    connection: &mut PgConnection,
    projection: Rebuildable,
    statement: &'static str,
    version: i32,
    checkpoint: Checkpoint,
) -> Result<(), PostgresError> {
    sqlx::query(statement)
        .bind(projection.log)
        .bind(projection.name)
        .bind(version)
        .bind(checkpoint.position.get().cast_signed())
        .bind(checkpoint.event_id)
        .execute(connection)
        .await
        .map(drop)
        .map_err(PostgresError::statement("storing a checkpoint"))
}

/// Calls a function of the migrations; what it refuses it says in words for the operator.
pub(super) async fn call(
    connection: &mut PgConnection,
    projection: Rebuildable,
    statement: &'static str,
) -> Result<(), PostgresError> {
    let called = sqlx::query(statement).bind(projection.table).execute(connection).await;
    called.map(drop).map_err(|error| match super::refusal(&error) {
        Some(reason) => projection.refused(reason),
        None => PostgresError::statement("changing the table")(error),
    })
}
