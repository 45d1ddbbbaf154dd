//! What operators order about parked events: the same for the command line and the admin API.

use serde::Serialize;

use super::{Cause, ParkedEvent, Parking, ParkingError, Retried, RetryOutcome, Selection, groups};
use crate::names::Position;

/// Which parked events a retry is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Every one.
    All,
    /// Those that were parked for this cause.
    Cause(Cause),
    /// Those at these positions.
    At(Vec<Position>),
}

/// What came of a retry.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Retry {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// How many groups failed.
    pub failed: usize,
    /// Each group with its outcome.
    pub groups: Vec<Retried>,
}

/// What came of a discard.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Discarded {
    /// Whether it was done; a dry run changes nothing.
    pub done: bool,
    /// The event that was given up.
    pub event: ParkedEvent,
    /// What waited in one group with it, and stays parked until it is retried.
    pub behind: Vec<Position>,
}

/// A parked event in its group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shown {
    /// The event.
    #[serde(flatten)]
    pub event: ParkedEvent,
    /// Everything that a retry of it takes, in order; the event is among it.
    pub group: Vec<ParkedEvent>,
}

/// Why an order about parked events wasn't carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OrderError {
    /// No parked event is meant.
    #[error("nothing of {log}.{subscriber} is parked{}", .cause.map_or(String::new(), |cause| format!(" as {cause}")))]
    NothingParked {
        /// The log.
        log: &'static str,
        /// The subscriber.
        subscriber: &'static str,
        /// The cause that was asked for.
        cause: Option<Cause>,
    },
    /// A discard is for good: who does it says why.
    #[error("a discard needs a reason that others can read")]
    NoReason,
    /// What the store says.
    #[error(transparent)]
    Parking(#[from] ParkingError),
}

/// A parked event with its group.
///
/// # Errors
/// [`ParkingError::NotParked`], or what the store says.
pub async fn show(parking: &dyn Parking, at: Position) -> Result<Shown, OrderError> {
    let parked = parking.list().await?;
    let group = groups(&parked, Selection::At(at)).into_iter().next();
    let group = group.ok_or_else(|| not_parked(parking, at))?;
    let event = group.iter().find(|parked| parked.position == at);
    Ok(Shown {
        event: ParkedEvent::clone(event.ok_or_else(|| not_parked(parking, at))?),
        group: group.into_iter().cloned().collect(),
    })
}

/// Retries the groups of the chosen events, each once. Dropping the future leaves those that are
/// not begun yet as they are.
///
/// # Errors
/// [`OrderError::NothingParked`], or [`ParkingError::NotParked`] for a position, before anything is
/// done; else what the store says.
pub async fn retry(parking: &dyn Parking, choice: &Choice, dry_run: bool) -> Result<Retry, OrderError> {
    let retried = match choice {
        Choice::All => parking.retry(Selection::All, dry_run).await?,
        Choice::Cause(cause) => parking.retry(Selection::Cause(*cause), dry_run).await?,
        Choice::At(positions) => {
            let mut retried = Vec::new();
            for first in firsts(parking, positions).await? {
                retried.extend(parking.retry(Selection::At(first), dry_run).await?);
            }
            retried
        }
    };
    if retried.is_empty() {
        return Err(OrderError::NothingParked {
            log: parking.log(),
            subscriber: parking.subscriber(),
            cause: match choice {
                Choice::Cause(cause) => Some(*cause),
                _ => None,
            },
        });
    }
    let failed = |group: &&Retried| matches!(group.outcome, RetryOutcome::Failed { .. });
    Ok(Retry {
        dry_run,
        failed: retried.iter().filter(failed).count(),
        groups: retried,
    })
}

/// The first chosen position of each group: two of one group are retried once.
async fn firsts(parking: &dyn Parking, positions: &[Position]) -> Result<Vec<Position>, OrderError> {
    let parked = parking.list().await?;
    if let Some(at) = positions
        .iter()
        .find(|at| parked.iter().all(|parked| parked.position != **at))
    {
        return Err(not_parked(parking, *at));
    }
    let chosen = |group: Vec<&ParkedEvent>| {
        let mut members = group.iter().map(|parked| parked.position);
        members.find(|member| positions.contains(member))
    };
    Ok(groups(&parked, Selection::All).into_iter().filter_map(chosen).collect())
}

/// Gives an event up for good and says what still waits.
///
/// # Errors
/// [`OrderError::NoReason`], [`ParkingError::NotParked`], or what the store says.
pub async fn discard(
    parking: &dyn Parking,
    at: Position,
    reason: &str,
    dry_run: bool,
) -> Result<Discarded, OrderError> {
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(OrderError::NoReason);
    }
    let Shown { mut event, group } = show(parking, at).await?;
    if !dry_run {
        event = parking.discard(at, reason).await?;
    }
    let behind = group.iter().map(|parked| parked.position);
    Ok(Discarded {
        done: !dry_run,
        event,
        behind: behind.filter(|position| *position != at).collect(),
    })
}

fn not_parked(parking: &dyn Parking, position: Position) -> OrderError {
    OrderError::Parking(ParkingError::NotParked {
        subscriber: parking.subscriber(),
        position,
    })
}
