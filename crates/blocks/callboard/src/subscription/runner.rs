//! The engine: deliveries in, gapless runs out, whatever happens to the deliveries.

use std::collections::HashMap;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::error_chain;
use crate::event::{Log, Recorded};
use crate::log::{LogReader, ReadError, Slice};
use crate::names::{Checkpoint, Position};
use crate::subscription::{
    Applied, Delivery, Foreign, Lock, Mode, Status, Subscriber, SubscriberError, Verdict, judge,
};

/// The most events of one transaction.
pub const BATCH_MAX_EVENTS: usize = 1_000;

/// Why a runner could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Worth a retry.
    #[error(transparent)]
    Subscriber(SubscriberError),
    /// Worth a retry.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Not running until its row says otherwise: halted, paused, or of another timeline.
    #[error("{subscriber} is stopped: {reason}")]
    Stopped {
        /// The subscriber's name.
        subscriber: &'static str,
        /// Why, for people.
        reason: String,
    },
}

type EventOf<S> = <<S as Subscriber>::Log as Log>::Event;

/// Follows one log with one subscriber, exactly once and in order.
///
/// Every step is a method, so that tests step it; [`crate::subscription::Supervisor`] runs it.
/// Dropping one of its futures may lose the in-memory checkpoint, never a stored one: call
/// [`Runner::start`] again then.
pub struct Runner<S: Subscriber, R> {
    subscriber: S,
    reader: R,
    /// `None` while it isn't started.
    checkpoint: Option<Checkpoint>,
    status: watch::Sender<Status>,
    stopped: CancellationToken,
}

impl<S: Subscriber, R: LogReader> Runner<S, R> {
    /// A runner that isn't started.
    pub fn new(subscriber: S, reader: R) -> Self {
        Self {
            subscriber,
            reader,
            checkpoint: None,
            status: watch::Sender::new(Status::default()),
            stopped: CancellationToken::new(),
        }
    }

    /// How it is doing.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Starts the subscriber, unless it runs.
    ///
    /// # Errors
    /// [`RunError::Stopped`] while its row forbids it to run.
    pub async fn start(&mut self) -> Result<(), RunError> {
        if self.checkpoint.is_none() {
            let started = self.subscriber.start().await;
            let checkpoint = self.or_stop(started).await?;
            self.checkpoint = Some(checkpoint);
            self.stopped = CancellationToken::new();
            self.status.send_modify(|status| {
                status.checkpoint = checkpoint;
                status.mode = Mode::FromLog;
            });
            tracing::info!(log = S::Log::NAME, subscriber = self.subscriber.name(), position = %checkpoint.position, "started");
        }
        Ok(())
    }

    /// Cancelled as soon as the running subscriber stops.
    pub(super) fn stopped(&self) -> CancellationToken {
        self.stopped.clone()
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.checkpoint.is_none()
    }

    pub(super) fn set_mode(&mut self, mode: Mode) {
        self.status.send_modify(|status| status.mode = mode);
    }

    /// Takes deliveries: applies what is next, drops what was applied, and reads the log for what
    /// is missing. Afterwards all of them may be acknowledged; the ones returned are not the
    /// log's and go to the dead letters.
    ///
    /// # Errors
    /// [`RunError::Stopped`] when the subscriber has stopped; otherwise retry with the same ones.
    pub async fn offer(&mut self, deliveries: &[Delivery]) -> Result<Vec<Foreign>, RunError> {
        self.start().await?;
        let mut at = self.at();
        let (mut run, mut foreign, mut duplicates) = (Vec::new(), Vec::new(), 0);
        // Deliveries that only the log can judge.
        let mut open: HashMap<Position, (usize, &Recorded)> = HashMap::new();
        for (index, delivery) in deliveries.iter().enumerate() {
            let event = match &delivery.event {
                Ok(event) => event,
                Err(reason) => {
                    foreign.push(Foreign {
                        index,
                        reason: reason.clone(),
                    });
                    continue;
                }
            };
            match judge(at, event) {
                Verdict::Duplicate => duplicates += 1,
                Verdict::Next => {
                    at = event.checkpoint();
                    run.push(event);
                    open.insert(event.position, (index, event));
                }
                Verdict::Gap | Verdict::Mismatch => {
                    // Two that claim one position can't both be ours; the log judges each.
                    if let Some((index, _)) = open.insert(event.position, (index, event)) {
                        duplicates += usize::from(!foreign.iter().any(|other| other.index == index));
                    }
                }
            }
        }
        let continued = run.len() == open.len();
        let run: Vec<Recorded> = run.into_iter().cloned().collect();
        if !self.apply(&run, Lock::Wait).await? || !continued {
            self.status.send_modify(|status| status.gaps += 1);
            foreign.extend(self.resolve(&open).await?);
        }
        self.status.send_modify(|status| {
            status.duplicates += duplicates as u64;
            status.foreign += foreign.len() as u64;
        });
        foreign.sort_by_key(|foreign| foreign.index);
        Ok(foreign)
    }

    /// Reads the log to its head; returns the deliveries that it doesn't hold.
    async fn resolve(&mut self, open: &HashMap<Position, (usize, &Recorded)>) -> Result<Vec<Foreign>, RunError> {
        let mut foreign = Vec::new();
        let from = self.at();
        if let Some((index, event)) = open.get(&from.position)
            && event.id != from.event_id
        {
            foreign.push(Foreign {
                index: *index,
                reason: "the log holds another event at this position".into(),
            });
        }
        self.read_on(Lock::Wait, |recorded| {
            if let Some((index, event)) = open.get(&recorded.position)
                && event.id != recorded.id
            {
                foreign.push(Foreign {
                    index: *index,
                    reason: "the log holds another event at this position".into(),
                });
            }
        })
        .await?;
        let head = self.at().position;
        foreign.extend(
            open.values()
                .filter(|(_, event)| event.position > head)
                .map(|(index, event)| Foreign {
                    index: *index,
                    reason: format!("position {} is beyond the log's head {head}", event.position),
                }),
        );
        Ok(foreign)
    }

    /// Reads the log to its head and applies what is missing.
    ///
    /// # Errors
    /// As [`Runner::offer`].
    pub async fn catch_up(&mut self, lock: Lock) -> Result<(), RunError> {
        self.start().await?;
        self.read_on(lock, |_| ()).await
    }

    /// The idle look: compares the stored checkpoint with the head, and catches up if it stands
    /// where it stood at the last look (`seen`). Returns where it stands.
    ///
    /// # Errors
    /// As [`Runner::offer`].
    pub async fn look(&mut self, seen: Option<Checkpoint>) -> Result<Option<Checkpoint>, RunError> {
        if self.is_stopped() {
            return Ok(None);
        }
        let stored = self.subscriber.checkpoint().await;
        let stored = self.or_stop(stored).await?;
        self.checkpoint = Some(stored);
        let head = self.reader.head().await?;
        self.status.send_modify(|status| {
            status.checkpoint = stored;
            status.head = head.position;
        });
        let stalled = head.position > stored.position && seen == Some(stored);
        if stalled || head.position < stored.position {
            self.read_on(Lock::Skip, |_| ()).await?;
        } else if head.position == stored.position && head.event_id != stored.event_id {
            return Err(self
                .stop("the log was put back to another timeline: a rebuild is needed".into())
                .await);
        }
        Ok(self.checkpoint)
    }

    /// Reads page after page behind the checkpoint and applies it.
    async fn read_on(&mut self, lock: Lock, mut each: impl FnMut(&Recorded)) -> Result<(), RunError> {
        let mut refused = 0;
        loop {
            let at = self.at();
            let Slice { anchor, events } = self.reader.read(at.position, BATCH_MAX_EVENTS).await?;
            if anchor != Some(at.event_id) {
                self.verify_fork(at, anchor.is_none()).await?;
                continue;
            }
            events.iter().for_each(&mut each);
            let head = events.last().map_or(at, Recorded::checkpoint).position;
            self.status.send_modify(|status| status.head = status.head.max(head));
            let applied = self.apply(&events, lock).await?;
            if applied {
                refused = 0;
            } else {
                refused += 1;
            }
            let done = applied && events.len() < BATCH_MAX_EVENTS;
            // Somebody else is at it, or the checkpoint keeps moving away: the next look sees.
            if done || (!applied && (lock == Lock::Skip || refused > 3)) {
                return Ok(());
            }
        }
    }

    /// The log has another event at our checkpoint, or none. Only the stored checkpoint counts:
    /// ours may be one that was rebuilt by another replica meanwhile.
    async fn verify_fork(&mut self, at: Checkpoint, beyond: bool) -> Result<(), RunError> {
        let stored = self.subscriber.checkpoint().await;
        let stored = self.or_stop(stored).await?;
        if stored != at {
            self.checkpoint = Some(stored);
            return Ok(());
        }
        let reason = if beyond {
            format!(
                "its checkpoint {} is beyond the log's head: the log was put back; a rebuild is needed",
                at.position
            )
        } else {
            format!(
                "the log has another event at its checkpoint {}: another timeline; a rebuild is needed",
                at.position
            )
        };
        Err(self.stop(reason).await)
    }

    /// Applies a gapless run; false when it doesn't continue the stored checkpoint, or (skipping
    /// locks) somebody else is at it.
    async fn apply(&mut self, events: &[Recorded], lock: Lock) -> Result<bool, RunError> {
        for events in events.chunks(BATCH_MAX_EVENTS) {
            let (decoded, undecoded) = decode::<EventOf<S>>(events);
            if !decoded.is_empty() && !self.apply_decoded(&decoded, lock).await? {
                return Ok(false);
            }
            if let Some((position, reason)) = undecoded
                && position == self.at().position.next()
            {
                return Err(self.stop(format!("position {position}: {reason}")).await);
            }
        }
        Ok(true)
    }

    async fn apply_decoded(&mut self, events: &[Recorded<EventOf<S>>], lock: Lock) -> Result<bool, RunError> {
        let (first, last) = (&events[0], &events[events.len() - 1]);
        let span = tracing::info_span!(
            "apply",
            log = S::Log::NAME,
            subscriber = self.subscriber.name(),
            from = %first.position,
            to = %last.position,
            events = events.len(),
            correlation_id = first.metadata.correlation_id.as_deref(),
            traceparent = first.metadata.traceparent.as_deref(),
        );
        let applied = self.subscriber.apply(events, lock).instrument(span.clone()).await;
        match applied {
            Ok(Applied::Moved {
                checkpoint,
                events: count,
            }) => {
                span.in_scope(|| trace_applied(events, count));
                self.checkpoint = Some(checkpoint);
                self.status.send_modify(|status| {
                    status.checkpoint = checkpoint;
                    status.head = status.head.max(checkpoint.position);
                    status.applied += count as u64;
                    status.transactions += 1;
                });
                Ok(true)
            }
            Ok(Applied::NotNext { checkpoint }) => {
                self.checkpoint = Some(checkpoint);
                Ok(false)
            }
            Ok(Applied::Busy) => Ok(false),
            Err(SubscriberError::Permanent { position, source, .. }) => Err(self
                .stop(format!("position {position}: {}", error_chain(source.as_ref())))
                .await),
            Err(error) => self.or_stop(Err(error)).await,
        }
    }

    /// Halts for good, loudly: a permanent failure, or another timeline.
    async fn stop(&mut self, reason: String) -> RunError {
        let subscriber = self.subscriber.name();
        tracing::error!(log = S::Log::NAME, subscriber, reason, "HALTED: needs a person");
        if let Err(error) = self.subscriber.halt(&reason).await {
            tracing::error!(subscriber, error = error_chain(&error), "the halt couldn't be stored");
        }
        self.stand_by(reason)
    }

    fn stand_by(&mut self, reason: String) -> RunError {
        self.checkpoint = None;
        self.stopped.cancel();
        self.status
            .send_modify(|status| status.mode = Mode::Halted(reason.clone()));
        RunError::Stopped {
            subscriber: self.subscriber.name(),
            reason,
        }
    }

    async fn or_stop<T>(&mut self, result: Result<T, SubscriberError>) -> Result<T, RunError> {
        match result {
            Ok(value) => Ok(value),
            Err(SubscriberError::StandBy { reason, .. }) => Err(self.stand_by(reason)),
            Err(SubscriberError::Permanent { position, source, .. }) => Err(self
                .stop(format!("position {position}: {}", error_chain(source.as_ref())))
                .await),
            Err(error) => Err(RunError::Subscriber(error)),
        }
    }

    fn at(&self) -> Checkpoint {
        self.checkpoint.expect("every public step starts the subscriber first")
    }
}

/// The events up to the first that can't be decoded, and why that one can't.
#[allow(clippy::type_complexity, reason = "two plain parts, used once")]
fn decode<E: crate::event::Event>(events: &[Recorded]) -> (Vec<Recorded<E>>, Option<(Position, String)>) {
    let mut decoded = Vec::with_capacity(events.len());
    for event in events {
        match event.decode() {
            Ok(event) => decoded.push(event),
            Err(error) => return (decoded, Some((event.position, error_chain(&error)))),
        }
    }
    (decoded, None)
}

/// One line for each event that was applied, so that a request can be followed to its projections.
fn trace_applied<E>(events: &[Recorded<E>], count: usize) {
    for event in &events[events.len().saturating_sub(count)..] {
        tracing::debug!(
            position = %event.position,
            event_id = %event.id,
            correlation_id = event.metadata.correlation_id.as_deref(),
            causation_id = event.metadata.causation_id.map(tracing::field::display),
            "applied"
        );
    }
}
