//! The writer: decides commands and appends their events; one per log and replica.
//!
//! One task, one batch in flight, no timer: while one batch commits, the next one gathers. Every
//! aggregate, every known absence and every live model in the cache is exactly as of one position.
//! A batch is decided on an overlay, which enters the cache only when the append has succeeded;
//! nothing of a batch is answered before that. See [`Writer`].

mod append;
pub(crate) mod cache;
mod decide;
mod fingerprint;
pub(crate) mod overlay;
mod patience;
mod prepared;
mod queue;
mod run;
mod settle;
pub(crate) mod spec;
mod turns;

pub use fingerprint::fingerprint;
pub use queue::{Answer, AnyCommand, Commands, Sequence};
pub use run::Writer;

use std::sync::Arc;
use std::time::Duration;

use crate::event::Recorded;

/// The writer's bounds.
#[derive(Debug, Clone)]
pub struct WriterConfig {
    /// The most commands in one batch.
    pub batch_commands: usize,
    /// How many commands may wait in front of the writer; more are answered `Overloaded`.
    pub queue_commands: usize,
    /// How many streams stay in memory between batches.
    pub cached_streams: usize,
    /// How often an idle writer follows the log.
    pub follow_every: Duration,
    /// How long a client waits for a log that doesn't answer before it is told so; for a batch that others
    /// outrun all the time it is five seconds at least. The writer settles the batch all the same,
    /// but for what belongs to a [`Sequence`].
    pub answer_within: Duration,
}

impl Default for WriterConfig {
    fn default() -> Self {
        Self {
            batch_commands: 512,
            queue_commands: 4_096,
            cached_streams: 20_000,
            follow_every: Duration::from_secs(1),
            answer_within: Duration::from_secs(2),
        }
    }
}

/// Hears of fresh events right after their commit: the relay, and feeds in this process.
///
/// Called by the writer between batches, so it must neither block nor fail; whoever misses
/// something reads the log.
pub trait Tap: Send + Sync + 'static {
    /// Consecutive events of one log, in order.
    fn recorded(&self, events: &Arc<[Recorded]>);

    /// As [`Tap::recorded`], but of events of another writer that this one has read before it appends behind them: who
    /// wants every event has no gap to fill from the log then. Whoever only wants to know of news does nothing here.
    fn followed(&self, _: &Arc<[Recorded]>) {}
}

/// Nobody listens.
impl Tap for () {
    fn recorded(&self, _: &Arc<[Recorded]>) {}
}

impl<A: Tap, B: Tap> Tap for (A, B) {
    fn recorded(&self, events: &Arc<[Recorded]>) {
        self.0.recorded(events);
        self.1.recorded(events);
    }

    fn followed(&self, events: &Arc<[Recorded]>) {
        self.0.followed(events);
        self.1.followed(events);
    }
}

impl<T: Tap + ?Sized> Tap for Arc<T> {
    fn recorded(&self, events: &Arc<[Recorded]>) {
        (**self).recorded(events);
    }

    fn followed(&self, events: &Arc<[Recorded]>) {
        (**self).followed(events);
    }
}

#[cfg(test)]
mod tests;
