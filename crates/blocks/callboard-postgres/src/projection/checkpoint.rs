//! A projection's checkpoint row, and its subscriber's row above it.

use callboard::projection::EventOf;
use callboard::subscription::{Lock, Verdict, judge};
use callboard::{Checkpoint, Log, Position, Projection, Recorded};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::failure::Failure;

/// A checkpoint row as it was locked.
pub(crate) struct LockedCheckpoint {
    pub(crate) checkpoint: Checkpoint,
    /// Whether the log holds the last event of the run.
    pub(crate) held: bool,
}

type Row = (i32, i64, Uuid, String, Option<String>, bool);

/// Locks the checkpoint of `P`; `None` when somebody else holds it ([`Lock::Skip`] only).
pub(crate) async fn lock<P: Projection>(
    connection: &mut PgConnection,
    last: Checkpoint,
    lock: Lock,
) -> Result<Option<LockedCheckpoint>, Failure> {
    let statement = match lock {
        Lock::Wait => include_str!("../../queries/lock_checkpoint.sql"),
        Lock::Skip => include_str!("../../queries/lock_checkpoint_or_skip.sql"),
    };
    let row: Option<Row> = sqlx::query_as(statement)
        .bind(P::Log::NAME)
        .bind(P::NAME)
        .bind(last.position.get().cast_signed())
        .bind(last.event_id)
        .fetch_optional(&mut *connection)
        .await?;
    let Some((version, position, event_id, state, reason, held)) = row else {
        return match (lock, read::<P>(connection).await?) {
            (Lock::Skip, Stored::At { .. }) => Ok(None),
            _ => Err(Failure::NoCheckpoint),
        };
    };
    let stored = Stored::of(Some((version, position, event_id)), &state, reason);
    stored
        .usable::<P>()
        .map(|checkpoint| Some(LockedCheckpoint { checkpoint, held }))
}

/// What is stored about a subscriber.
pub(crate) enum Stored {
    /// No row of its own.
    Unregistered,
    /// Registered, without a checkpoint.
    WithoutCheckpoint,
    /// Paused or halted; the reason.
    StandBy(String),
    /// A checkpoint of this VERSION.
    At { version: i32, checkpoint: Checkpoint },
}

impl Stored {
    fn of(checkpoint: Option<(i32, i64, Uuid)>, state: &str, reason: Option<String>) -> Self {
        match (state, checkpoint) {
            ("running", Some((version, position, event_id))) => {
                let position = Position::new(position.unsigned_abs());
                Self::At {
                    version,
                    checkpoint: Checkpoint { position, event_id },
                }
            }
            ("running", None) => Self::WithoutCheckpoint,
            (state, _) => Self::StandBy(reason.map_or_else(|| state.into(), |reason| format!("{state}: {reason}"))),
        }
    }

    /// The checkpoint, if code of `P`'s VERSION may apply to it.
    pub(crate) fn usable<P: Projection>(self) -> Result<Checkpoint, Failure> {
        match self {
            Self::At { version, checkpoint } if version == version_of::<P>() => Ok(checkpoint),
            Self::At { version, .. } if version > version_of::<P>() => Err(Failure::StandBy(newer::<P>(version))),
            Self::StandBy(reason) => Err(Failure::StandBy(reason)),
            Self::At { .. } | Self::Unregistered | Self::WithoutCheckpoint => Err(Failure::NoCheckpoint),
        }
    }
}

pub(crate) fn version_of<P: Projection>() -> i32 {
    P::VERSION.cast_signed()
}

fn newer<P: Projection>(version: i32) -> String {
    format!("its checkpoint is of VERSION {version}, this code has {}", P::VERSION)
}

/// What is stored about `P`.
pub(crate) async fn read<P: Projection>(connection: &mut PgConnection) -> Result<Stored, sqlx::Error> {
    read_named(connection, P::Log::NAME, P::NAME).await
}

/// What is stored about a subscriber.
pub(crate) async fn read_named(connection: &mut PgConnection, log: &str, name: &str) -> Result<Stored, sqlx::Error> {
    type Row = (Option<i32>, Option<i64>, Option<Uuid>, String, Option<String>);
    let row: Option<Row> = sqlx::query_as(include_str!("../../queries/read_checkpoint.sql"))
        .bind(log)
        .bind(name)
        .fetch_optional(connection)
        .await?;
    Ok(
        row.map_or(Stored::Unregistered, |(version, position, event_id, state, reason)| {
            let checkpoint = version
                .zip(position)
                .zip(event_id)
                .map(|((version, position), id)| (version, position, id));
            Stored::of(checkpoint, &state, reason)
        }),
    )
}

/// Makes the checkpoint of `P` ready: rebuilds from 1 into an empty table when there is none of its
/// VERSION or higher.
pub(crate) async fn prepare<P: Projection>(pool: &PgPool) -> Result<Checkpoint, Failure> {
    let stored = read::<P>(&mut *pool.acquire().await?).await?;
    if !must_rebuild::<P>(&stored) {
        return stored.usable::<P>();
    }
    let mut transaction = pool.begin().await?;
    sqlx::query(include_str!("../../queries/register_subscriber.sql"))
        .bind(P::Log::NAME)
        .bind(P::NAME)
        .bind("projection")
        .execute(&mut *transaction)
        .await?;
    // The subscriber's row serialises the replicas that find no checkpoint.
    sqlx::query("select 1 from callboard.subscribers where log = $1 and name = $2 for update")
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
    // Not TRUNCATE: queries go on reading the old rows until the commit.
    sqlx::raw_sql("set local statement_timeout = 0")
        .execute(&mut *transaction)
        .await?;
    let empty = format!("delete from {}", P::TABLE);
    sqlx::query(sqlx::AssertSqlSafe(empty))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    tracing::info!(
        log = P::Log::NAME,
        subscriber = P::NAME,
        version = P::VERSION,
        "rebuilds from the first event"
    );
    Ok(Checkpoint::START)
}

fn must_rebuild<P: Projection>(stored: &Stored) -> bool {
    match stored {
        Stored::Unregistered | Stored::WithoutCheckpoint => true,
        Stored::At { version, .. } => *version < version_of::<P>(),
        Stored::StandBy(_) => false,
    }
}

/// The events of a gapless run that a checkpoint doesn't have yet.
///
/// # Errors
/// [`Failure::NotNext`] when the run doesn't continue the checkpoint.
pub(crate) fn behind<P: Projection>(
    checkpoint: Checkpoint,
    events: &[Recorded<EventOf<P>>],
) -> Result<&[Recorded<EventOf<P>>], Failure> {
    let known = events.partition_point(|event| event.position <= checkpoint.position);
    let (known, rest) = events.split_at(known);
    let agrees = known
        .last()
        .is_none_or(|event| event.position < checkpoint.position || judge(checkpoint, event) == Verdict::Duplicate);
    let continues = rest
        .first()
        .is_none_or(|event| judge(checkpoint, event) == Verdict::Next);
    if agrees && continues {
        Ok(rest)
    } else {
        Err(Failure::NotNext(checkpoint))
    }
}
