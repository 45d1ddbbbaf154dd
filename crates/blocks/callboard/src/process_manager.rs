//! Process managers: they turn events into commands, each exactly once.
//!
//! The state is a pure fold of the log from position 1, kept in memory. For each event: fold,
//! react; then one transaction stores the checkpoint together with the commands
//! ([`ProcessManagerStore::advance`]). [`Dispatcher`] sends them from there, in order, each under a
//! key made of the event's position and the command's index, so a repeat is never a second effect.
//!
//! One that parks ([`ProcessManager::ON_FAILURE`]) leaves out of its state what it has parked, and
//! every later event of that stream: the state is the fold of the log without them. A retry
//! ([`ManagerParking`]) folds the log again with them, and reacts to each on the state as of it.

mod dispatcher;
mod folded;
mod parking;
mod stuck;
mod subscriber;

pub use dispatcher::Dispatcher;
pub use parking::ManagerParking;
pub use subscriber::ProcessManagerSubscriber;

use std::future::Future;
use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use crate::command::Command;
use crate::event::{Json, Log, Recorded, to_json};
use crate::log::Source;
use crate::names::{Checkpoint, Position, StreamName};
use crate::parking::{Cause, OnFailure, ParkedEvent};
use crate::subscription::{Lock, SubscriberError};

/// A pure reaction to events. It acts on its own state as of the event, never on a view.
pub trait ProcessManager: Send + Sync + 'static {
    /// The log that it follows, and that its commands go to.
    type Log: Log;
    /// What it remembers.
    type State: Default + Send + Sync + 'static;
    /// The subscriber's name, unique in its log, e.g. `low-product-quantity-notification`.
    const NAME: &'static str;
    /// What happens to an event that it can't take in or react to. Only where what it remembers of one
    /// stream says nothing about another may it park: the others go on without what is parked, and a
    /// restart folds the log anew at each event that it comes to park. An event that it has reacted to
    /// already and can't take in any more halts it in any case. Back to halting only when nothing is
    /// parked: operators don't see it otherwise.
    const ON_FAILURE: OnFailure = OnFailure::Halt;

    /// Takes in an event. Pure; runs again from the beginning of the log at each start.
    fn evolve(state: &mut Self::State, event: &Recorded<<Self::Log as Log>::Event>);

    /// The commands that an event calls for, on the state that has taken it in already.
    fn react(state: &Self::State, event: &Recorded<<Self::Log as Log>::Event>) -> Reaction<Self::Log>;
}

/// The commands that an event calls for, in order.
pub struct Reaction<L: Log> {
    commands: Vec<(&'static str, Result<Json, serde_json::Error>)>,
    log: std::marker::PhantomData<fn() -> L>,
}

impl<L: Log> Reaction<L> {
    /// Nothing to do.
    pub fn nothing() -> Self {
        Self {
            commands: Vec::new(),
            log: std::marker::PhantomData,
        }
    }

    /// One command.
    pub fn issue<C: Command<Log = L>>(command: &C) -> Self {
        Self::nothing().and(command)
    }

    /// One more command.
    #[must_use]
    pub fn and<C: Command<Log = L> + Serialize>(mut self, command: &C) -> Self {
        self.commands.push((C::NAME, to_json(command)));
        self
    }

    /// The names of the commands, for tests.
    pub fn names(&self) -> Vec<&'static str> {
        self.commands.iter().map(|(name, _)| *name).collect()
    }

    pub(crate) fn into_commands(self) -> impl Iterator<Item = Result<(&'static str, Json), serde_json::Error>> {
        self.commands
            .into_iter()
            .map(|(name, body)| body.map(|body| (name, body)))
    }
}

/// A command that is stored and not answered yet; `(position, index)` is its identity.
#[derive(Debug, Clone)]
pub struct PendingCommand {
    /// The position of the event that called for it.
    pub position: Position,
    /// Its place among that event's commands, from 0.
    pub index: u32,
    /// The command's wire name.
    pub name: Arc<str>,
    /// The command, JSON.
    pub body: Json,
    /// The id of the event that called for it.
    pub causation_id: Uuid,
    /// The event's correlation id.
    pub correlation_id: Option<Arc<str>>,
    /// The event's trace context.
    pub traceparent: Option<Arc<str>>,
}

/// What is stored about a process manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registration {
    /// Never started: it begins at the head.
    Unregistered,
    /// It continues behind this checkpoint.
    At(Checkpoint),
    /// Registered, but its checkpoint is gone: an error, never a silent jump.
    WithoutCheckpoint,
    /// Must not run; the reason.
    StandBy(String),
}

impl Registration {
    /// What is known of a subscriber that lives in memory: why it must not run, and its checkpoint.
    pub(crate) fn in_memory(closed: Option<String>, checkpoint: Option<Checkpoint>) -> Self {
        match (closed, checkpoint) {
            (Some(reason), _) => Self::StandBy(reason),
            (None, Some(checkpoint)) => Self::At(checkpoint),
            (None, None) => Self::Unregistered,
        }
    }

    /// The checkpoint that a subscriber of this name continues behind.
    pub(crate) fn checkpoint(self, subscriber: &'static str) -> Result<Checkpoint, SubscriberError> {
        match self {
            Self::At(checkpoint) => Ok(checkpoint),
            Self::StandBy(reason) => Err(SubscriberError::StandBy { subscriber, reason }),
            Self::WithoutCheckpoint => Err(SubscriberError::StandBy {
                subscriber,
                reason: "it is registered, but its checkpoint is gone: it can't know what it has done".into(),
            }),
            Self::Unregistered => Err(SubscriberError::Transient {
                subscriber,
                source: "it isn't registered yet".into(),
            }),
        }
    }
}

/// An event on its way to be parked, which blocks its stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToPark {
    /// Where it stands.
    pub position: Position,
    /// Its stream.
    pub stream: StreamName,
    /// Why.
    pub cause: Cause,
    /// What was said, for people.
    pub reason: String,
}

/// What a process manager's state leaves out of its log.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LeftOut {
    /// What is parked, in order.
    pub parked: Vec<ParkedEvent>,
    /// What a person has given up for good.
    pub discarded: Vec<Position>,
}

impl LeftOut {
    /// Where it stands, in order.
    pub fn positions(&self) -> Vec<Position> {
        let parked = self.parked.iter().map(|parked| parked.position);
        let mut positions: Vec<_> = parked.chain(self.discarded.iter().copied()).collect();
        positions.sort_unstable();
        positions
    }
}

/// A step of a process manager: its checkpoint moves, and what came of the events is stored with it.
#[derive(Debug, Clone, Copy)]
pub struct Advance<'a> {
    /// Where the checkpoint must be.
    pub from: Checkpoint,
    /// Where it moves to.
    pub to: Checkpoint,
    /// What the events between called for.
    pub commands: &'a [PendingCommand],
    /// Which of them are parked, in order.
    pub parked: &'a [ToPark],
    /// What the state had left out when it reacted: [`LeftOut::positions`].
    pub left_out: &'a [Position],
}

/// What a retry of parked events came to.
#[derive(Debug, Clone, Copy)]
pub struct TakeUp<'a> {
    /// The events that are parked no longer.
    pub positions: &'a [Position],
    /// What they called for.
    pub commands: &'a [PendingCommand],
    /// What was left out before: [`LeftOut::positions`].
    pub left_out: &'a [Position],
}

/// What became of an [`ProcessManagerStore::advance`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advanced {
    /// Everything is stored.
    Done,
    /// Nothing stored: the checkpoint is another one, or something else is left out by now.
    Elsewhere(Checkpoint),
    /// Nothing stored: another replica holds the checkpoint ([`Lock::Skip`] only).
    Busy,
}

/// Stores one process manager's registration, checkpoint, pending commands and parked events.
pub trait ProcessManagerStore: Clone + Send + Sync + 'static {
    /// What is stored.
    fn load(&self) -> impl Future<Output = Result<Registration, Source>> + Send;

    /// Stores registration and checkpoint in one transaction; the first replica wins.
    fn register(&self, at: Checkpoint) -> impl Future<Output = Result<(), Source>> + Send;

    /// Moves the checkpoint, parks and stores the commands, in one transaction, if the checkpoint is
    /// `from`, the log holds `to`, and just `left_out` is parked or discarded.
    fn advance(&self, advance: Advance<'_>, lock: Lock) -> impl Future<Output = Result<Advanced, Source>> + Send;

    /// At most `limit` pending commands, ordered by position and index; none while the process manager
    /// is paused or halted.
    fn pending(&self, limit: usize) -> impl Future<Output = Result<Vec<PendingCommand>, Source>> + Send;

    /// Deletes commands that were answered.
    fn answered(&self, commands: &[(Position, u32)]) -> impl Future<Output = Result<(), Source>> + Send;

    /// Stores that it has halted, with the reason.
    fn halt(&self, reason: &str) -> impl Future<Output = Result<(), Source>> + Send;

    /// As [`ProcessManagerStore::halt`], at an event that this code doesn't know.
    fn halt_at_unknown(&self, _: Position, reason: &str) -> impl Future<Output = Result<(), Source>> + Send {
        self.halt(reason)
    }

    /// The event that it has halted at because the code of then didn't know it, while it is halted.
    fn halted_at_unknown(&self) -> impl Future<Output = Result<Option<Position>, Source>> + Send {
        std::future::ready(Ok(None))
    }

    /// Resumes it, if it is still halted at this event because the code of then didn't know it.
    fn resume_at_unknown(&self, _: Position) -> impl Future<Output = Result<(), Source>> + Send {
        std::future::ready(Ok(()))
    }

    /// What is parked, and what was discarded.
    fn left_out(&self) -> impl Future<Output = Result<LeftOut, Source>> + Send;

    /// Unparks and stores the commands, in one transaction, if just `left_out` is parked or discarded;
    /// false when something else is by now.
    fn take_up(&self, retried: TakeUp<'_>) -> impl Future<Output = Result<bool, Source>> + Send;

    /// Notes that a retry failed at an event.
    fn note_failed_retry(&self, position: Position, reason: &str) -> impl Future<Output = Result<(), Source>> + Send;

    /// Gives a parked event up for good; `None` when it isn't parked.
    fn discard(
        &self,
        position: Position,
        because: &str,
    ) -> impl Future<Output = Result<Option<ParkedEvent>, Source>> + Send;
}
