//! The pipeline of an event handler: which event may be handled when.
//!
//! Events of one stream form a lane and are handled in order, one after another; lanes run beside
//! one another, up to [`PipelineConfig::concurrency`]. An event that [`EventHandler::batch`] gives to
//! a batcher waits there for others with the same key, until the batch is full or old enough.
//! Everything is bounded: how many events are under way, how far they may run ahead of the
//! checkpoint, how many are handled at once and, if wished, in a second. What fails for now is tried
//! again in its lane with growing delays, while other lanes go on; what fails for good is parked with
//! the later events of its stream.
//!
//! One module decides all of that, purely (`schedule`), and another one drives it (`run`).
//!
//! [`EventHandler::batch`]: crate::EventHandler::batch

mod attempt;
mod lanes;
mod rate;
mod run;
mod schedule;
mod shared;
mod store_work;

pub(crate) use attempt::{Failure, attempt, attempt_one};
pub use rate::{EventsPerSecond, InvalidRate, Rate, RateLimit};
pub(crate) use run::{Beginning, Pipeline};
pub(crate) use shared::TakenIn;

use std::sync::Arc;
use std::time::Duration;

use crate::names::Position;

/// What a pipeline may do at once, and how it tries again.
#[derive(Debug, Clone)]
pub struct PipelineConfig {
    /// How many events are handled at once, each of another stream; batches come on top. At least 1.
    pub concurrency: usize,
    /// Those that gather events for [`crate::EventHandler::handle_batch`].
    pub batchers: Vec<Batcher>,
    /// The most events that are taken in and not done; then no more are taken. At least 1.
    pub window: usize,
    /// The most positions that may be taken in beyond the checkpoint: so many events at most are
    /// delivered again after a crash. At least 1.
    pub ahead: u64,
    /// How often events are handled, unless an operator has ordered another limit; it may be changed
    /// at any time through a clone.
    pub rate: Rate,
    /// How what fails for now is tried again.
    pub retry: Retry,
    /// How long one try may take; then it counts as failed for now, and its future is dropped.
    pub time_limit: Duration,
    /// How long tries that are under way may take to end when the service stops; what isn't done
    /// then is delivered again by the next one. More than 3 s outlasts the service's own end.
    pub drain_within: Duration,
}

impl Default for PipelineConfig {
    /// Four at once, a window of 1,000 events and 100,000 positions, no batchers, no rate limit.
    fn default() -> Self {
        Self {
            concurrency: 4,
            batchers: Vec::new(),
            window: 1_000,
            ahead: 100_000,
            rate: Rate::unlimited(),
            retry: Retry::default(),
            time_limit: Duration::from_secs(30),
            drain_within: Duration::from_secs(3),
        }
    }
}

/// Gathers events that are handled together.
#[derive(Debug, Clone)]
pub struct Batcher {
    /// What [`BatchKey::batcher`] calls it.
    pub name: &'static str,
    /// The most events of a batch. At least 1.
    pub size: usize,
    /// How long the first event of a batch waits for others.
    pub max_age: Duration,
    /// How many batches are handled at once, each of another key. At least 1.
    pub concurrency: usize,
}

/// Which batch an event belongs into: only events with equal keys are handled together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchKey {
    /// The name of a [`Batcher`].
    pub batcher: &'static str,
    /// What the events of a batch have in common.
    pub key: Arc<str>,
}

impl BatchKey {
    /// The key of this batcher.
    pub fn new(batcher: &'static str, key: impl Into<Arc<str>>) -> Self {
        Self {
            batcher,
            key: key.into(),
        }
    }
}

/// How what fails for now is tried again: after growing delays with jitter, until a number of tries
/// or an age is reached. Then it is given up.
#[derive(Debug, Clone)]
pub struct Retry {
    /// The most tries, the first included.
    pub tries: u32,
    /// How long after the first try the last one may begin.
    pub within: Duration,
    /// The first delay; each next one is twice as long.
    pub least: Duration,
    /// The longest delay, also where the handler asks for a longer one.
    pub most: Duration,
}

impl Default for Retry {
    /// Ten tries within ten minutes, after 0.5 to 60 s.
    fn default() -> Self {
        Self {
            tries: 10,
            within: Duration::from_secs(600),
            least: Duration::from_millis(500),
            most: Duration::from_secs(60),
        }
    }
}

impl Retry {
    /// The delay after so many tries: between half and all of the step. `asked` is what the handler
    /// asked for, and counts where it is longer.
    fn delay(&self, tries: u32, asked: Option<Duration>, jitter: f64) -> Duration {
        let doubled = self
            .least
            .saturating_mul(1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX));
        let step = doubled.min(self.most).mul_f64(0.5 + jitter / 2.0);
        asked.unwrap_or_default().min(self.most).max(step)
    }
}

/// What became of an event in its pipeline, for whoever watches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is handled.
    Handled,
    /// A try failed; it is tried again.
    Failed(String),
    /// It is parked: it failed for good, or stands behind one that did.
    Parked(String),
    /// The handler doesn't want its type.
    Skipped,
}

/// Tells somebody what becomes of each event.
pub(crate) type Acknowledge = Arc<dyn Fn(Position, Outcome) + Send + Sync>;
