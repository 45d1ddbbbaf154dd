//! A projection's checkpoint row, and its subscriber's row above it.

use callboard::log::Source;
use callboard::process_manager::Registration;
use callboard::subscription::Lock;
use callboard::{Checkpoint, Log, Position, Projection};
use sqlx::PgConnection;
use uuid::Uuid;

use super::failure::Failure;
use crate::database::Database;

/// A checkpoint row as it was locked.
pub(crate) struct LockedCheckpoint {
    pub(crate) checkpoint: Checkpoint,
    /// Whether the log holds the last event of the run.
    pub(crate) held: bool,
    /// How many events are parked.
    pub(crate) parked: u64,
    /// Whether something behind it was discarded, before it went back.
    pub(crate) discards: bool,
}

type Row = (i32, i64, Uuid, i64, String, Option<String>, bool, bool);

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
    let Some((version, position, event_id, parked, state, reason, held, discards)) = row else {
        return match (lock, read::<P>(connection).await?) {
            (Lock::Skip, Stored::At { .. }) => Ok(None),
            _ => Err(Failure::NoCheckpoint),
        };
    };
    let stored = Stored::of(Some((version, position, event_id)), &state, reason);
    let parked = parked.unsigned_abs();
    stored.usable::<P>().map(|checkpoint| {
        Some(LockedCheckpoint {
            checkpoint,
            held,
            parked,
            discards,
        })
    })
}

/// Locks the checkpoint of `P` for whoever deals with its parked events, which also a paused or
/// halted subscriber has.
pub(super) async fn lock_for_parked<P: Projection>(connection: &mut PgConnection) -> Result<Checkpoint, Failure> {
    let row: Option<Row> = sqlx::query_as(include_str!("../../queries/lock_checkpoint.sql"))
        .bind(P::Log::NAME)
        .bind(P::NAME)
        .bind(0_i64)
        .bind(Uuid::nil())
        .fetch_optional(connection)
        .await?;
    let Some((version, position, event_id, ..)) = row else {
        return Err(Failure::NoCheckpoint);
    };
    Stored::of(Some((version, position, event_id)), "running", None).usable::<P>()
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
async fn read_named(connection: &mut PgConnection, log: &str, name: &str) -> Result<Stored, sqlx::Error> {
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

/// What is stored about a subscriber that has no VERSION.
pub(crate) async fn registration(database: &Database, log: &str, name: &str) -> Result<Registration, Source> {
    let read = async {
        let mut connection = database.batches().take().await?;
        let stored = read_named(&mut connection, log, name).await;
        connection.keep(stored.as_ref().err());
        stored
    };
    Ok(match database.in_background(read).await? {
        Stored::Unregistered => Registration::Unregistered,
        Stored::WithoutCheckpoint => Registration::WithoutCheckpoint,
        Stored::StandBy(reason) => Registration::StandBy(reason),
        Stored::At { checkpoint, .. } => Registration::At(checkpoint),
    })
}
