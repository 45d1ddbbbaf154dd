//! Feeds: where deliveries come from. Only an accelerator: whatever a feed loses, doubles or
//! reorders, the log puts right.

use std::future::Future;

use crate::event::Recorded;
use crate::log::Source;

/// One delivery: an event. A message may hold several; then each of them is a delivery.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The event; or why a message can't be read as one of ours.
    pub event: Result<Recorded, String>,
}

/// A delivery that isn't an event of the log: its message is dead-lettered with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// Its index in what [`Feed::next`] returned.
    pub index: usize,
    /// Why.
    pub reason: String,
}

/// A feed that is gone; a new one is connected after a wait.
#[derive(Debug, thiserror::Error)]
#[error("{feed}: the feed is lost")]
pub struct FeedError {
    /// Which feed, e.g. the queue's name.
    pub feed: String,
    /// The cause.
    #[source]
    pub source: Source,
    /// Whether the next attempt comes soon, whatever failed before: what keeps the feed answers, and
    /// more attempts show, or mend, what is wrong with this feed. False: the waits grow.
    pub soon: bool,
}

/// A connected feed of one subscriber. It passes [`crate::contract::feed`].
pub trait Feed: Send + 'static {
    /// Waits for a delivery, then returns it with everything else that is waiting already, up to
    /// the feed's own bound; never empty. Dropping the future loses nothing.
    fn next(&mut self) -> impl Future<Output = Result<Vec<Delivery>, FeedError>> + Send;

    /// Dead-letters the foreign ones, confirmed, then acknowledges everything that the last
    /// [`Feed::next`] returned.
    fn settle(&mut self, foreign: &[Foreign]) -> impl Future<Output = Result<(), FeedError>> + Send;
}

/// Connects a feed, again after each loss.
pub trait Connect: Send + 'static {
    /// The feed.
    type Feed: Feed;

    /// A fresh feed; everything of the lost one was dropped.
    fn connect(&mut self) -> impl Future<Output = Result<Self::Feed, FeedError>> + Send;
}
