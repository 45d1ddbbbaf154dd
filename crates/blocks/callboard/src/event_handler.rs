//! Event handlers: custom code for the events that it names, each delivered at least once.
//!
//! A delivery's stable id is the event's own id ([`Recorded::id`]): whoever gets it twice can tell.
//! Events of one stream are delivered in order, different streams beside one another; see
//! [`crate::pipeline`]. The checkpoint is the position below which everything is done, so a crash
//! between handling and checkpoint delivers again, with the same id. Of several replicas one runs the
//! handler at a time, by a lease; one that stood still beyond its lease may end a try that it had
//! begun before.
//!
//! What it gives up is parked with the later events of its stream, up to
//! [`PARKED_MOST`](crate::parking::PARKED_MOST) events; one more halts it, until a person has retried or
//! discarded some and resumed it.
//!
//! At its very first start a handler begins at the end of the log: it never back-fills. One that is
//! switched off keeps its checkpoint, and goes on behind it when it is switched on again.

mod parking;
mod settings;
mod store;
mod subscriber;
pub mod testing;

pub use parking::HandlerParking;
pub use settings::{InvalidSetting, Settings};
pub use store::{Claim, EventHandlerStore, LEASE, LaneParked, Moved, ParkLane, RENEW_EVERY, Role, ToPark};
pub use subscriber::EventHandlerSubscriber;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::event::{Log, Recorded};
use crate::log::Source;
use crate::names::Position;
use crate::parking::OnFailure;
use crate::pipeline::{BatchKey, PipelineConfig};

/// An event of the log that `H` follows.
pub type EventOf<H> = <<H as EventHandler>::Log as Log>::Event;

/// Custom code for events.
pub trait EventHandler: Sized + Send + Sync + 'static {
    /// The log that it follows.
    type Log: Log;

    /// The subscriber's name, unique in its log, e.g. `ticket-webhook`.
    const NAME: &'static str;
    /// The names of the event types that it wants; it never sees another.
    const TYPES: &'static [&'static str];
    /// The names of the settings that it is made from: variables, which the service knows and fills
    /// in.
    const SETTINGS: &'static [&'static str] = &[];
    /// What happens to an event that is given up: it is parked with what must wait behind it, or the
    /// handler halts.
    const ON_FAILURE: OnFailure = OnFailure::Park;

    /// The handler of these settings; `None` when they switch it off.
    ///
    /// # Errors
    /// [`InvalidSetting`] names the setting and what is allowed.
    fn from_settings(settings: &Settings) -> Result<Option<Self>, InvalidSetting>;

    /// What its pipeline may do at once, and how it tries again. Asked at each start.
    fn pipeline(&self) -> PipelineConfig {
        PipelineConfig::default()
    }

    /// The batch that an event belongs into; `None` handles it alone. Pure.
    fn batch(&self, event: &Recorded<EventOf<Self>>) -> Option<BatchKey> {
        let _ = event;
        None
    }

    /// Handles an event. It may come again, with the same id. The future is dropped at
    /// [`PipelineConfig::time_limit`] and when a drain takes too long.
    ///
    /// # Errors
    /// [`HandlerError`] says by its type what happens next. A panic counts as permanent.
    fn handle(&self, event: &Recorded<EventOf<Self>>) -> impl Future<Output = Result<(), HandlerError>> + Send;

    /// Handles the events of a batch, in order; by default one after another.
    ///
    /// # Errors
    /// [`BatchError`] says which events failed. Of a stream the later ones of the batch are then not
    /// done either, and come again.
    fn handle_batch(&self, batch: &Batch<EventOf<Self>>) -> impl Future<Output = Result<(), BatchError>> + Send {
        async {
            let mut failed: Vec<(Position, HandlerError)> = Vec::new();
            let mut streams = std::collections::HashSet::new();
            for event in &batch.events {
                if streams.contains(&event.stream) {
                    continue;
                }
                if let Err(error) = self.handle(event).await {
                    streams.insert(&event.stream);
                    failed.push((event.position, error));
                }
            }
            if failed.is_empty() {
                Ok(())
            } else {
                Err(BatchError::Some(failed))
            }
        }
    }
}

/// Events that are handled together.
#[derive(Debug, Clone)]
pub struct Batch<E> {
    /// What they have in common.
    pub key: BatchKey,
    /// The events, in order.
    pub events: Vec<Arc<Recorded<E>>>,
}

/// Why an event isn't handled; the type says what happens next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandlerError {
    /// Tried again after a while, then given up; see [`crate::pipeline::Retry`].
    #[error("it can't be handled at present")]
    Transient {
        /// The cause.
        #[source]
        source: Source,
        /// How long the other side wants to be left alone, if it said so.
        retry_after: Option<Duration>,
    },
    /// Given up at once: [`EventHandler::ON_FAILURE`] says what happens.
    #[error("it can't be handled")]
    Permanent(#[source] Source),
}

impl HandlerError {
    /// Worth another try.
    pub fn transient(source: impl Into<Source>) -> Self {
        Self::Transient {
            source: source.into(),
            retry_after: None,
        }
    }

    /// No try will ever succeed.
    pub fn permanent(source: impl Into<Source>) -> Self {
        Self::Permanent(source.into())
    }

    /// The same, but not before so long.
    #[must_use]
    pub fn after(self, wait: Option<Duration>) -> Self {
        match self {
            Self::Transient { source, .. } => Self::Transient {
                source,
                retry_after: wait,
            },
            permanent => permanent,
        }
    }
}

/// What of a batch isn't handled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// Nothing of it. When it is given up, each event is tried alone once more, so that the one at
    /// fault is found.
    #[error("nothing of the batch is handled")]
    All(#[source] HandlerError),
    /// These events, by their positions.
    #[error("{} events of the batch aren't handled", .0.len())]
    Some(Vec<(Position, HandlerError)>),
}

impl From<HandlerError> for BatchError {
    fn from(error: HandlerError) -> Self {
        Self::All(error)
    }
}
