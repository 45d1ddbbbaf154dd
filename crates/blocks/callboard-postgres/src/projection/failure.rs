//! Why a run of events wasn't applied.

use callboard::Checkpoint;
use callboard::log::Source;
use callboard::projection::FoldPanic;
use callboard::subscription::SubscriberError;

use crate::error::{Class, classify};

/// Why a run of events wasn't applied. Nothing was written then.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The fold panicked on an event.
    Fold(FoldPanic),
    /// Postgres refuses what some event made of a row.
    Data(sqlx::Error),
    /// A deadlock or the like: worth another try at once.
    Retry(sqlx::Error),
    /// The subscriber's row says that it must not run.
    StandBy(String),
    /// There is no checkpoint of this VERSION: it has to start again.
    NoCheckpoint,
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
            Self::StandBy(reason) => SubscriberError::StandBy { subscriber, reason },
            Self::NoCheckpoint => SubscriberError::Transient {
                subscriber,
                source: "it has no checkpoint of its VERSION".into(),
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
