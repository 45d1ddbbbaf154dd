//! Subscriptions: how a subscriber follows its log, exactly once and in order.
//!
//! [`judge`] is the whole rule, as a pure function. [`Runner`] is the engine around it, one for all
//! topologies: it takes deliveries from a [`Feed`], reads the log where something is missing, and
//! hands gapless runs to a [`Subscriber`], which applies each in one transaction with its checkpoint.

mod apply;
mod feed;
mod halt;
mod offer;
mod runner;
mod status;
mod supervise;

pub use feed::{Connect, Delivery, Feed, FeedError, Foreign};
pub use runner::{BATCH_MAX_EVENTS, RunError, Runner};
pub use status::{Mode, Status, Suffering};
pub(crate) use supervise::random;
pub use supervise::{Backoff, Supervisor};

use std::future::Future;

use crate::event::{Log, Recorded};
use crate::log::Source;
use crate::names::{Checkpoint, Position};
use crate::parking::{Cause, OnFailure};

/// What an event is to a subscriber that stands at a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Applied before: acknowledge and count it.
    Duplicate,
    /// The very next one: take it.
    Next,
    /// Something is missing in front of it: read the log.
    Gap,
    /// It is of another timeline than the checkpoint. The log says which of the two is lost.
    Mismatch,
}

/// Judges an event against a checkpoint, by its position and the id of the event before it.
pub fn judge<E>(checkpoint: Checkpoint, event: &Recorded<E>) -> Verdict {
    if event.position < checkpoint.position {
        Verdict::Duplicate
    } else if event.position == checkpoint.position {
        if event.id == checkpoint.event_id {
            Verdict::Duplicate
        } else {
            Verdict::Mismatch
        }
    } else if event.position > checkpoint.position.next() {
        Verdict::Gap
    } else if event.previous_id == checkpoint.event_id {
        Verdict::Next
    } else {
        Verdict::Mismatch
    }
}

/// The part of a gapless run that a checkpoint doesn't have yet; `None` when the run doesn't
/// continue it.
pub fn behind<E>(checkpoint: Checkpoint, run: &[Recorded<E>]) -> Option<&[Recorded<E>]> {
    let known = run.partition_point(|event| event.position <= checkpoint.position);
    let (known, rest) = run.split_at(known);
    let agrees = known
        .last()
        .is_none_or(|event| judge(checkpoint, event) == Verdict::Duplicate);
    let mut at = checkpoint;
    let continues = rest.iter().all(|event| {
        let next = judge(at, event) == Verdict::Next;
        at = event.checkpoint();
        next
    });
    (agrees && continues).then_some(rest)
}

/// What becomes of an event that doesn't stand right behind the checkpoint: it was applied already, or
/// the log must say what is missing. `None` when it does.
pub(crate) fn beside<E>(checkpoint: Checkpoint, event: &Recorded<E>) -> Option<Applied> {
    match behind(checkpoint, std::slice::from_ref(event)) {
        None => Some(Applied::NotNext { checkpoint }),
        Some([]) => Some(Applied::Moved { checkpoint, events: 0 }),
        Some(_) => None,
    }
}

/// Whether to wait for the checkpoint's lock while another replica holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// Wait: the holder is about to be done.
    Wait,
    /// Skip: whoever holds it is doing the same work.
    Skip,
}

/// What became of a run of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// Everything behind the checkpoint was applied and the checkpoint moved to here. Whoever takes
    /// events in before they are done may have taken only the first ones.
    Moved {
        /// The checkpoint afterwards.
        checkpoint: Checkpoint,
        /// How many events were taken: applied, or parked. The others had been before.
        events: usize,
    },
    /// Nothing was applied: the run doesn't continue the stored checkpoint, or the log doesn't
    /// hold it.
    NotNext {
        /// The checkpoint as stored.
        checkpoint: Checkpoint,
    },
    /// Nothing was applied: another replica holds the checkpoint ([`Lock::Skip`] only).
    Busy,
}

/// Why a subscriber couldn't start or apply; the type says what happens next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscriberError {
    /// Nothing is wrong with the events: retried with backoff.
    #[error("{subscriber} can't go on at present")]
    Transient {
        /// The subscriber's name.
        subscriber: &'static str,
        /// The cause.
        #[source]
        source: Source,
    },
    /// This event can't be applied, today or tomorrow: [`Subscriber::on_failure`] says what happens.
    #[error("{subscriber} can't apply the event at position {position}")]
    Permanent {
        /// The subscriber's name.
        subscriber: &'static str,
        /// Where the event stands.
        position: Position,
        /// The cause.
        #[source]
        source: Source,
    },
    /// Its row says that it must not run: halted, paused, or of a newer VERSION.
    #[error("{subscriber} stands by: {reason}")]
    StandBy {
        /// The subscriber's name.
        subscriber: &'static str,
        /// Why, for people.
        reason: String,
    },
    /// Nothing is wrong with the events, there is no room for them: offered again at once, for it has
    /// waited for room.
    #[error("{subscriber} has no room: {reason}")]
    Full {
        /// The subscriber's name.
        subscriber: &'static str,
        /// Why, for people.
        reason: String,
    },
    /// It stands by until its view is rebuilt; the view that is there is read meanwhile.
    #[error("{subscriber} stands by: {progress}")]
    Rebuilding {
        /// The subscriber's name.
        subscriber: &'static str,
        /// How far it is, for people.
        progress: String,
    },
}

/// A named consumer of one log: a projection, a process manager or an event handler, with its storage.
pub trait Subscriber: Send + Sync + 'static {
    /// The log that it follows.
    type Log: Log;

    /// Its name, unique in its log.
    fn name(&self) -> &'static str;

    /// Makes everything ready, also after a failure, and returns the stored checkpoint.
    ///
    /// # Errors
    /// [`SubscriberError::StandBy`] when its row forbids it to run, [`SubscriberError::Rebuilding`]
    /// until it can.
    fn start(&mut self) -> impl Future<Output = Result<Checkpoint, SubscriberError>> + Send;

    /// The stored checkpoint, which another replica may have moved.
    ///
    /// # Errors
    /// As [`Subscriber::start`].
    fn checkpoint(&mut self) -> impl Future<Output = Result<Checkpoint, SubscriberError>> + Send;

    /// Applies a gapless run in one transaction: locks the checkpoint, drops what it has applied
    /// already, applies the rest and moves the checkpoint. All or nothing; a process manager with very
    /// many commands does it in parts, each in a transaction with its checkpoint.
    ///
    /// # Errors
    /// [`SubscriberError::Permanent`] names the event at fault; neither it nor what is in its part was
    /// applied.
    fn apply(
        &mut self,
        events: &[Recorded<<Self::Log as Log>::Event>],
        lock: Lock,
    ) -> impl Future<Output = Result<Applied, SubscriberError>> + Send;

    /// Up to where everything is done, for a subscriber whose [`Subscriber::checkpoint`] runs ahead of
    /// that because it takes events in before they are done.
    fn done(&self) -> Option<Checkpoint> {
        None
    }

    /// Ends what still runs by itself, when nothing more will be applied.
    fn finish(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// What happens to an event that can't be applied.
    fn on_failure(&self) -> OnFailure {
        OnFailure::Halt
    }

    /// Parks an event that continues the stored checkpoint and moves the checkpoint over it, in one
    /// transaction; `reason` says why it can't be applied.
    ///
    /// # Errors
    /// [`SubscriberError::Permanent`] when it can't be parked either: its keys can't be known, or
    /// too many are parked.
    fn park(
        &mut self,
        event: &Recorded,
        cause: Cause,
        reason: &str,
        lock: Lock,
    ) -> impl Future<Output = Result<Applied, SubscriberError>> + Send {
        let (subscriber, position) = (self.name(), event.position);
        let source = format!("it never parks ({cause}: {reason}; {lock:?})").into();
        std::future::ready(Err(SubscriberError::Permanent {
            subscriber,
            position,
            source,
        }))
    }

    /// Takes up the parked events that waited for code like this; returns how many stay parked.
    ///
    /// # Errors
    /// [`SubscriberError::Transient`] when they can't be looked at.
    fn look_after_parked(&mut self) -> impl Future<Output = Result<u64, SubscriberError>> + Send {
        std::future::ready(Ok(0))
    }

    /// Stores that the subscriber has halted, so that no replica runs it until it is resumed.
    ///
    /// # Errors
    /// [`SubscriberError::Transient`] when it couldn't be stored.
    fn halt(&mut self, reason: &str) -> impl Future<Output = Result<(), SubscriberError>> + Send;

    /// As [`Subscriber::halt`], at an event that this code doesn't know: code that does resumes it.
    ///
    /// # Errors
    /// As [`Subscriber::halt`].
    fn halt_at_unknown(
        &mut self,
        _: Position,
        reason: &str,
    ) -> impl Future<Output = Result<(), SubscriberError>> + Send {
        self.halt(reason)
    }

    /// The event that it has halted at because the code of then didn't know it, while it is halted.
    ///
    /// # Errors
    /// [`SubscriberError::Transient`] when that can't be read.
    fn halted_at_unknown(&mut self) -> impl Future<Output = Result<Option<Position>, SubscriberError>> + Send {
        std::future::ready(Ok(None))
    }

    /// Resumes it, if it is still halted at this event because the code of then didn't know it.
    ///
    /// # Errors
    /// [`SubscriberError::Transient`] when that couldn't be stored.
    fn resume_at_unknown(&mut self, _: Position) -> impl Future<Output = Result<(), SubscriberError>> + Send {
        std::future::ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
