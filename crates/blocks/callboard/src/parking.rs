//! Parking: what a subscriber has given up on for now, and what must wait behind it.
//!
//! A parked event blocks its stream and every key that it touches. A later event that meets one of
//! these is parked behind it and blocks its own stream and keys in turn, so rows that several
//! streams write keep their order, too. Everything else goes on. A retry replays a whole group of
//! events that block one another, in the order of their positions and in one transaction.

pub mod orders;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt, TryFutureExt};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::{Log, Recorded};
use crate::log::Source;
use crate::names::{Position, StreamName};
use crate::projection::{EventOf, FoldPanic, Projection, keys_touched};

/// The most events that a subscriber parks; one more halts it, for then the code is wrong and not an
/// event.
pub const PARKED_MOST: usize = 10_000;

/// What a subscriber does with an event that it can't apply, today or tomorrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// Stop and raise an alarm: what process managers do unless they say otherwise.
    Halt,
    /// Park the event with what must wait behind it, and go on.
    Park,
}

/// A stream or a key that a parked event keeps others from: two events that share one can't pass
/// each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Block(Arc<str>);

impl Block {
    /// A stream.
    pub fn stream(stream: &StreamName) -> Self {
        Self(format!("stream:{stream}").into())
    }

    /// A row's key, by its JSON.
    ///
    /// # Errors
    /// What serde says when the key has no JSON form.
    pub fn key(key: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self(format!("key:{}", serde_json::to_string(key)?).into()))
    }

    /// As a store has kept it.
    pub fn stored(text: &str) -> Self {
        Self(text.into())
    }

    /// Its text: `stream:product-abc123` or `key:"abc123"`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why an event is parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It couldn't be applied: the code panicked, or the database refuses what came of it.
    Failed,
    /// This code doesn't know its type or its shape. Taken up by itself as soon as some code does.
    Undecodable,
    /// It meets a stream or a key of one that is parked.
    Behind,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 3] = [Self::Failed, Self::Undecodable, Self::Behind];

    /// Its name in tables, answers and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Undecodable => "undecodable",
            Self::Behind => "behind",
        }
    }

    /// The cause of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == name)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// A parked event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParkedEvent {
    /// Where it stands in its log.
    pub position: Position,
    /// Its stream.
    pub stream: StreamName,
    /// What it keeps later events from.
    pub blocks: Vec<Block>,
    /// Why it is parked.
    pub cause: Cause,
    /// What was said, for people.
    pub reason: String,
    /// When it was parked.
    pub parked_at: Timestamp,
    /// How often a retry of it has failed.
    pub tries: u32,
}

impl ParkedEvent {
    /// A retry of it failed.
    pub(crate) fn retry_failed(&mut self, reason: &str) {
        self.cause = Cause::Failed;
        self.reason = reason.to_owned();
        self.tries += 1;
    }
}

/// Which parked events are meant. A retry always takes whole groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// Every one.
    All,
    /// Those that were parked for this cause.
    Cause(Cause),
    /// The one at this position.
    At(Position),
}

impl Selection {
    fn means(self, parked: &ParkedEvent) -> bool {
        match self {
            Self::All => true,
            Self::Cause(cause) => parked.cause == cause,
            Self::At(position) => parked.position == position,
        }
    }
}

/// What became of a group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Retried {
    /// The events of the group, in order.
    pub positions: Vec<Position>,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: RetryOutcome,
}

/// What came of a retry.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum RetryOutcome {
    /// All of it is applied, and no longer parked.
    Applied,
    /// All of it could be applied, or handed to its event handler; nothing was changed.
    WouldApply,
    /// Nothing of it was applied; an event handler was given everything in front of the event at
    /// fault, and that is no longer parked.
    Failed {
        /// The event at fault.
        position: Position,
        /// What was said.
        reason: String,
    },
}

/// Why nothing could be done about parked events.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParkingError {
    /// Nothing is parked there.
    #[error("no event of {subscriber} is parked at position {position}")]
    NotParked {
        /// The subscriber.
        subscriber: &'static str,
        /// The position that was asked for.
        position: Position,
    },
    /// Retry later.
    #[error("the parked events of {subscriber} can't be dealt with at present")]
    Unavailable {
        /// The subscriber.
        subscriber: &'static str,
        /// The cause.
        #[source]
        source: Source,
    },
}

/// What people do with a subscriber's parked events. Dropping a future of these leaves either all
/// or nothing of a group done. Callers list, retry and discard; a kind of subscriber says how it looks
/// up, replays and gives up.
pub trait Parking: Send + Sync + 'static {
    /// The log.
    fn log(&self) -> &'static str;

    /// The subscriber.
    fn subscriber(&self) -> &'static str;

    /// All of them in order, at most [`PARKED_MOST`].
    fn parked(&self) -> BoxFuture<'_, Result<Vec<ParkedEvent>, Source>>;

    /// Replays a group, with what has joined it since it was looked up. A dry run only says what would
    /// come of it.
    fn replay<'a>(&'a self, group: &'a [&'a ParkedEvent], dry_run: bool) -> BoxFuture<'a, Result<Retried, Source>>;

    /// Takes an event out for good and keeps the reason; `None` when it isn't parked.
    fn give_up<'a>(&'a self, at: Position, reason: &'a str) -> BoxFuture<'a, Result<Option<ParkedEvent>, Source>>;

    /// All of them in order, at most [`PARKED_MOST`].
    fn list(&self) -> BoxFuture<'_, Result<Vec<ParkedEvent>, ParkingError>> {
        let subscriber = self.subscriber();
        self.parked().map_err(unavailable(subscriber)).boxed()
    }

    /// Replays the groups of the events that are meant, each in one transaction. A dry run only
    /// says what would come of it.
    fn retry(&self, which: Selection, dry_run: bool) -> BoxFuture<'_, Result<Vec<Retried>, ParkingError>> {
        async move {
            let subscriber = self.subscriber();
            let parked = self.list().await?;
            let groups = groups(&parked, which);
            if let Selection::At(position) = which
                && groups.is_empty()
            {
                return Err(ParkingError::NotParked { subscriber, position });
            }
            let mut retried = Vec::with_capacity(groups.len());
            for group in groups {
                let replayed = self.replay(&group, dry_run).await;
                retried.push(replayed.map_err(unavailable(subscriber))?);
            }
            Ok(retried)
        }
        .boxed()
    }

    /// Gives an event up for good: it is never applied, in no rebuild either, and blocks nothing any
    /// more. What waits behind it stays parked until it is retried. The reason is kept.
    fn discard<'a>(&'a self, at: Position, reason: &'a str) -> BoxFuture<'a, Result<ParkedEvent, ParkingError>> {
        async move {
            let (log, subscriber) = (self.log(), self.subscriber());
            let given_up = self.give_up(at, reason).await.map_err(unavailable(subscriber))?;
            let given_up = given_up.ok_or(ParkingError::NotParked {
                subscriber,
                position: at,
            })?;
            tracing::warn!(log, subscriber, position = %at, reason, "discarded");
            Ok(given_up)
        }
        .boxed()
    }
}

fn unavailable(subscriber: &'static str) -> impl Fn(Source) -> ParkingError {
    move |source| ParkingError::Unavailable { subscriber, source }
}

/// The streams and keys that an event of `P` blocks while it is parked; `None` when its keys can't
/// be known.
pub fn blocks_of_raw<P: Projection>(event: &Recorded) -> Option<Vec<Block>> {
    let stream = || Some(vec![Block::stream(&event.stream)]).filter(|_| P::KEYED_BY_STREAM);
    match event.decode::<EventOf<P>>() {
        Ok(event) => blocks_of::<P>(&event).ok().or_else(stream),
        Err(_) => stream(),
    }
}

/// The streams and keys that an event of `P` meets.
///
/// # Errors
/// [`FoldPanic`] when [`Projection::keys`] panics or gives a key without a JSON form.
pub fn blocks_of<P: Projection>(event: &Recorded<EventOf<P>>) -> Result<Vec<Block>, FoldPanic> {
    let mut blocks = vec![Block::stream(&event.stream)];
    for key in keys_touched::<P>(event)? {
        blocks.push(Block::key(&key).map_err(|error| FoldPanic {
            position: event.position,
            reason: error.to_string(),
        })?);
    }
    Ok(blocks)
}

/// A run, parted at what is blocked.
#[derive(Debug, Clone, PartialEq)]
pub struct Parted<E> {
    /// What may be applied, in order.
    pub free: Vec<Recorded<E>>,
    /// What must wait, each with what it blocks.
    pub behind: Vec<(Recorded<E>, Vec<Block>)>,
}

/// Parts a run: what meets a block must wait, and blocks its own stream and keys in turn. `blocks`
/// holds the blocks of each event of the run.
pub fn part<L: Log>(
    events: &[Recorded<L::Event>],
    blocks: Vec<Vec<Block>>,
    mut blocked: HashSet<Block>,
) -> Parted<L::Event> {
    let mut parted = Parted {
        free: Vec::with_capacity(events.len()),
        behind: Vec::new(),
    };
    for (event, blocks) in events.iter().zip(blocks) {
        if blocks.iter().any(|block| blocked.contains(block)) {
            blocked.extend(blocks.iter().cloned());
            parted.behind.push((event.clone(), blocks));
        } else {
            parted.free.push(event.clone());
        }
    }
    parted
}

/// What is said of an event that waits behind others. `parked` has those that were parked before its
/// run, in order.
pub fn behind_reason(blocks: &[Block], parked: &[ParkedEvent]) -> String {
    let meets = |parked: &&ParkedEvent| parked.blocks.iter().any(|block| blocks.contains(block));
    match parked.iter().find(meets) {
        Some(first) => format!("waits behind position {}", first.position),
        None => "waits behind an event of the same run".into(),
    }
}

/// The groups of the events that are meant: everything that blocks one another, in the order of
/// positions. `parked` is in that order, too.
pub fn groups(parked: &[ParkedEvent], which: Selection) -> Vec<Vec<&ParkedEvent>> {
    let mut parent: Vec<usize> = (0..parked.len()).collect();
    let mut holder: HashMap<&Block, usize> = HashMap::new();
    for (index, event) in parked.iter().enumerate() {
        for block in &event.blocks {
            let other = *holder.entry(block).or_insert(index);
            let (one, other) = (root(&mut parent, index), root(&mut parent, other));
            // The lowest stands for the group, so that groups come in the order of their first.
            parent[one.max(other)] = one.min(other);
        }
    }
    let mut groups: HashMap<usize, Vec<&ParkedEvent>> = HashMap::new();
    for (index, event) in parked.iter().enumerate() {
        groups.entry(root(&mut parent, index)).or_default().push(event);
    }
    let mut groups: Vec<_> = groups
        .into_values()
        .filter(|group| group.iter().any(|parked| which.means(parked)))
        .collect();
    groups.sort_by_key(|group| group[0].position);
    groups
}

fn root(parent: &mut [usize], mut index: usize) -> usize {
    while parent[index] != index {
        parent[index] = parent[parent[index]];
        index = parent[index];
    }
    index
}

/// The groups that wait for newer code alone: with an undecodable event, and none that failed.
pub fn waiting_for_code(parked: &[ParkedEvent]) -> Vec<Vec<&ParkedEvent>> {
    let mut groups = groups(parked, Selection::Cause(Cause::Undecodable));
    groups.retain(|group| group.iter().all(|parked| parked.cause != Cause::Failed));
    groups
}

/// Said when one more event would have to be parked than [`PARKED_MOST`].
pub const TOO_MANY: &str = "so many events are parked already that the code must be wrong, not an event";
/// Said of an event whose keys nobody knows.
pub const UNKNOWN_KEYS: &str = "its keys can't be known, and its rows aren't keyed by stream";
