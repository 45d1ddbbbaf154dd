//! Process managers: they turn events into commands, each exactly once.
//!
//! The state is a pure fold of the log from position 1, kept in memory. For each event: fold,
//! react; then one transaction stores the checkpoint together with the commands
//! ([`ProcessManagerStore::advance`]). [`Dispatcher`] sends them from there, in order, each under a
//! key made of the event's position and the command's index, so a repeat is never a second effect.

mod dispatcher;
mod subscriber;

pub use dispatcher::Dispatcher;
pub use subscriber::ProcessManagerSubscriber;

use std::future::Future;
use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use crate::command::Command;
use crate::event::{Json, Log, Recorded, to_json};
use crate::log::Source;
use crate::names::{Checkpoint, Position};
use crate::subscription::{Lock, SubscriberError};

/// A pure reaction to events. It acts on its own state as of the event, never on a view.
pub trait ProcessManager: Send + Sync + 'static {
    /// The log that it follows, and that its commands go to.
    type Log: Log;
    /// What it remembers.
    type State: Default + Send + Sync + 'static;
    /// The subscriber's name, unique in its log, e.g. `low-product-quantity-notification`.
    const NAME: &'static str;

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

/// What became of an [`ProcessManagerStore::advance`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advanced {
    /// Checkpoint and commands are stored.
    Done,
    /// Nothing stored: the checkpoint is another one.
    Elsewhere(Checkpoint),
    /// Nothing stored: another replica holds the checkpoint ([`Lock::Skip`] only).
    Busy,
}

/// Stores one process manager's registration, checkpoint and pending commands.
pub trait ProcessManagerStore: Clone + Send + Sync + 'static {
    /// What is stored.
    fn load(&self) -> impl Future<Output = Result<Registration, Source>> + Send;

    /// Stores registration and checkpoint in one transaction; the first replica wins.
    fn register(&self, at: Checkpoint) -> impl Future<Output = Result<(), Source>> + Send;

    /// Moves the checkpoint `from` → `to` and stores the commands, in one transaction, if the
    /// checkpoint is `from` and the log holds `to`.
    fn advance(
        &self,
        from: Checkpoint,
        to: Checkpoint,
        commands: &[PendingCommand],
        lock: Lock,
    ) -> impl Future<Output = Result<Advanced, Source>> + Send;

    /// At most `limit` pending commands, ordered by position and index.
    fn pending(&self, limit: usize) -> impl Future<Output = Result<Vec<PendingCommand>, Source>> + Send;

    /// Deletes commands that were answered.
    fn answered(&self, commands: &[(Position, u32)]) -> impl Future<Output = Result<(), Source>> + Send;

    /// Stores that it has halted, with the reason.
    fn halt(&self, reason: &str) -> impl Future<Output = Result<(), Source>> + Send;
}
