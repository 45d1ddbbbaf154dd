//! How a subscriber is doing: for readiness, metrics and waiting queries.

use std::time::Duration;

use tokio::time::Instant;

use crate::names::{Checkpoint, Position};

/// How a subscriber gets its events at present.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Mode {
    /// Not started yet.
    #[default]
    Starting,
    /// From its feed.
    Live,
    /// From the log alone: the feed is away.
    FromLog,
    /// Not running: its row forbids it, or another timeline was found. Holds the reason.
    Halted(String),
    /// Not running until its view is rebuilt; the one that is there is read meanwhile. Holds how far
    /// it is.
    Rebuilding(String),
}

/// What a subscriber suffers from without having stopped.
#[derive(Debug, Clone)]
pub struct Suffering {
    /// Since when, without a break.
    pub since: Instant,
    /// What it is, for people.
    pub reason: String,
}

/// A subscriber's status, as one watch value.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// The checkpoint as last seen.
    pub checkpoint: Checkpoint,
    /// The head as last seen.
    pub head: Position,
    /// Where its events come from.
    pub mode: Mode,
    /// Why its feed is away, while it is.
    pub away: Option<String>,
    /// Why it can't go on, while it tries again and again.
    pub failing: Option<Suffering>,
    /// Its feed brings nothing while the log grows and nobody else applies it.
    pub deaf: Option<Suffering>,
    /// Events applied by this process.
    pub applied: u64,
    /// Deliveries that had been applied before.
    pub duplicates: u64,
    /// Times that something was missing and read from the log.
    pub gaps: u64,
    /// Deliveries that were not ours.
    pub foreign: u64,
    /// Events that are parked, as last seen.
    pub parked: u64,
    /// Transactions that applied events.
    pub transactions: u64,
}

impl Status {
    /// What it has suffered from for so long: nobody should rely on it any more.
    pub fn suffers_for(&self, patience: Duration) -> Option<&Suffering> {
        // Without a feed it isn't deaf: it says that it follows the log.
        let deaf = self.deaf.as_ref().filter(|_| self.mode == Mode::Live);
        let mut suffering = self.failing.iter().chain(deaf);
        suffering.find(|suffering| suffering.since.elapsed() >= patience)
    }

    /// How many events it is behind the head.
    pub fn lag_events(&self) -> u64 {
        self.head.get().saturating_sub(self.checkpoint.position.get())
    }
}
