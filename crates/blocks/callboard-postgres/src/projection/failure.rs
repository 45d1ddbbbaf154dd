//! Why a run of events wasn't applied.

use callboard::log::Source;
use callboard::projection::FoldPanic;
use callboard::subscription::SubscriberError;
use callboard::{Checkpoint, Position};

use crate::error::{Class, classify};

/// Why a run of events wasn't applied. Nothing was written then.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The fold panicked on an event.
    Fold(FoldPanic),
    /// An event can't be parked.
    Unparkable(Position, &'static str),
    /// Postgres refuses what some event made of a row.
    Data(sqlx::Error),
    /// A deadlock or the like: worth another try at once.
    Retry(sqlx::Error),
    /// The subscriber's row says that it must not run.
    StandBy(String),
    /// There is no checkpoint of this VERSION: it has to start again.
    NoCheckpoint,
    /// A rebuild has to end first: how far it is.
    Rebuilding(String),
    /// The run doesn't continue the stored checkpoint, or the log doesn't hold it.
    NotNext(Checkpoint),
    /// Anything else: nothing is wrong with the events.
    Other(Source),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        match classify(&error) {
            Class::Data => Self::Data(error),
            Class::Retry => Self::Retry(error),
            Class::Lost | Class::Busy | Class::Other => Self::Other(error.into()),
        }
    }
}

impl From<Source> for Failure {
    fn from(error: Source) -> Self {
        match error.downcast::<sqlx::Error>() {
            Ok(error) => (*error).into(),
            Err(error) => Self::Other(error),
        }
    }
}

impl From<FoldPanic> for Failure {
    fn from(panic: FoldPanic) -> Self {
        Self::Fold(panic)
    }
}

impl Failure {
    /// For a subscriber, where no single event is known to be at fault except for a panic.
    pub(crate) fn into_error(self, subscriber: &'static str) -> SubscriberError {
        match self {
            Self::Fold(panic) => SubscriberError::Permanent {
                subscriber,
                position: panic.position,
                source: panic.into(),
            },
            Self::Unparkable(position, reason) => SubscriberError::Permanent {
                subscriber,
                position,
                source: reason.into(),
            },
            Self::StandBy(reason) => SubscriberError::StandBy { subscriber, reason },
            Self::Rebuilding(progress) => SubscriberError::Rebuilding { subscriber, progress },
            // Whoever stands by is started again, and that makes a checkpoint.
            Self::NoCheckpoint => SubscriberError::StandBy {
                subscriber,
                reason: "it has no checkpoint of its VERSION".into(),
            },
            Self::NotNext(checkpoint) => SubscriberError::Transient {
                subscriber,
                source: format!("the checkpoint is {}", checkpoint.position).into(),
            },
            Self::Data(error) | Self::Retry(error) => SubscriberError::Transient {
                subscriber,
                source: error.into(),
            },
            Self::Other(source) => SubscriberError::Transient { subscriber, source },
        }
    }
}
