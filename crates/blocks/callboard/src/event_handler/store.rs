//! What is stored about an event handler.

use std::future::Future;
use std::time::Duration;

use uuid::Uuid;

use crate::log::Source;
use crate::names::{Checkpoint, Position, StreamName};
use crate::parking::{Cause, ParkedEvent};
use crate::pipeline::EventsPerSecond;
use crate::process_manager::Registration;

/// How long a claim lasts, on the store's clock.
pub const LEASE: Duration = Duration::from_secs(5);
/// How often whoever holds a claim renews it.
pub const RENEW_EVERY: Duration = Duration::from_secs(1);

/// What a claim is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// To run the handler's pipeline.
    Run,
    /// To hand parked events to the handler again.
    Retry,
}

impl Role {
    /// Its name in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Retry => "retry",
        }
    }
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is held by who asked.
    Held {
        /// Whether somebody else asked for it since.
        wanted: bool,
    },
    /// Somebody else holds it.
    Elsewhere,
    /// Nobody may: paused or halted; the reason. ([`Role::Run`] only.)
    StandBy(String),
}

/// What became of a checkpoint that was to be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// It is stored.
    Done,
    /// Nothing stored: the checkpoint is another one, or the log doesn't hold the new one.
    Elsewhere(Checkpoint),
    /// Nothing stored: somebody else holds the claim, or nobody.
    Lost,
}

/// An event on its way to be parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToPark {
    /// Where it stands.
    pub position: Position,
    /// Why.
    pub cause: Cause,
    /// What was said, for people.
    pub reason: String,
}

/// What is parked of one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkLane {
    /// The stream.
    pub stream: StreamName,
    /// The events, in order. Where the first one has a cause of its own the lane is parked; where all
    /// stand [`Cause::Behind`] only if the stream still has a parked event.
    pub events: Vec<ToPark>,
}

/// What became of a lane that was to be parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaneParked {
    /// All of it is parked; what had been parked already stays as it is.
    Done,
    /// Nothing is parked: no event of the stream is any more, so nothing needs to wait.
    Free,
    /// Nothing is parked: there would be more than [`crate::parking::PARKED_MOST`].
    TooMany,
    /// Nothing is parked: somebody else holds the claim, or nobody.
    Lost,
}

/// Stores one event handler's registration, checkpoint, claims and parked events. Passes
/// [`crate::contract::event_handlers`].
pub trait EventHandlerStore: Clone + Send + Sync + 'static {
    /// What is stored.
    fn load(&self) -> impl Future<Output = Result<Registration, Source>> + Send;

    /// Stores registration and checkpoint in one transaction; the first replica wins.
    fn register(&self, at: Checkpoint) -> impl Future<Output = Result<(), Source>> + Send;

    /// Claims a role for [`LEASE`], or renews the claim. With `wants` set, a claim that somebody else
    /// holds is noted as wanted.
    fn claim(&self, role: Role, holder: Uuid, wants: bool) -> impl Future<Output = Result<Claim, Source>> + Send;

    /// The rate that an operator has ordered; `None` leaves the handler's own limit in force.
    fn rate(&self) -> impl Future<Output = Result<Option<EventsPerSecond>, Source>> + Send;

    /// Gives a claim back.
    fn release(&self, role: Role, holder: Uuid) -> impl Future<Output = Result<(), Source>> + Send;

    /// Moves the checkpoint `from` → `to`, if it is `from`, the log holds `to` and `holder` the claim.
    fn advance(
        &self,
        holder: Uuid,
        from: Checkpoint,
        to: Checkpoint,
    ) -> impl Future<Output = Result<Moved, Source>> + Send;

    /// Parks events of one stream, if `holder` has the claim.
    fn park(&self, holder: Uuid, lane: &ParkLane) -> impl Future<Output = Result<LaneParked, Source>> + Send;

    /// The parked events in order, at most [`crate::parking::PARKED_MOST`].
    fn parked(&self) -> impl Future<Output = Result<Vec<ParkedEvent>, Source>> + Send;

    /// How many events are parked, and the newest that waits for code that can decode it.
    fn count_parked(&self) -> impl Future<Output = Result<(u64, Position), Source>> + Send;

    /// Takes an event out of the parked ones: it is handled.
    fn unpark(&self, position: Position) -> impl Future<Output = Result<(), Source>> + Send;

    /// Notes that a retry failed at an event.
    fn note_failed_retry(&self, position: Position, reason: &str) -> impl Future<Output = Result<(), Source>> + Send;

    /// Gives a parked event up for good; `None` when it isn't parked.
    fn discard(
        &self,
        position: Position,
        because: &str,
    ) -> impl Future<Output = Result<Option<ParkedEvent>, Source>> + Send;

    /// Stores that it has halted, with the reason.
    fn halt(&self, reason: &str) -> impl Future<Output = Result<(), Source>> + Send;
}
