//! The engine: deliveries in, gapless runs out, whatever happens to the deliveries.

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error_chain;
use crate::event::{Log, Recorded};
use crate::log::{LogReader, ReadError, Slice};
use crate::names::Checkpoint;
use crate::subscription::{Lock, Mode, Status, Subscriber, SubscriberError, Suffering};

/// The most events of one transaction.
pub const BATCH_MAX_EVENTS: usize = 1_000;

/// What is said of a feed that is attached and silent.
pub(super) const DEAF: &str = "it delivers nothing while the log grows";

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
    /// Not running until its row says otherwise: halted, paused, rebuilding, or of another timeline.
    #[error("{subscriber} is stopped: {reason}")]
    Stopped {
        /// The subscriber's name.
        subscriber: &'static str,
        /// Why, for people.
        reason: String,
    },
}

/// Where a run comes from: only what the log holds can make a subscriber halt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Feed,
    Log,
}

/// Follows one log with one subscriber, exactly once and in order.
///
/// Every step is a method, so that tests step it; [`crate::subscription::Supervisor`] runs it.
/// Dropping one of its futures may lose the in-memory checkpoint, never a stored one: call
/// [`Runner::start`] again then.
pub struct Runner<S: Subscriber, R> {
    pub(super) subscriber: S,
    pub(super) reader: R,
    /// `None` while it isn't started.
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) status: watch::Sender<Status>,
    stopped: CancellationToken,
    /// Cancelled when the attached feed is to be left.
    deaf: CancellationToken,
    /// How many deliveries were offered.
    pub(super) heard: u64,
    /// Where it stood when the deliveries were offered that it is still at.
    pub(super) offered_at: Option<Checkpoint>,
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
            deaf: CancellationToken::new(),
            heard: 0,
            offered_at: None,
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
            let mut started = self.subscriber.start().await;
            if matches!(started, Err(SubscriberError::StandBy { .. })) && self.resume_if_known().await? {
                started = self.subscriber.start().await;
            }
            let checkpoint = self.or_stop(started).await?;
            self.checkpoint = Some(checkpoint);
            self.offered_at = None;
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

    /// Cancelled when the attached feed is to be left, for it delivers nothing.
    pub(super) fn deaf(&self) -> CancellationToken {
        self.deaf.clone()
    }

    pub(super) fn leave_feed(&mut self) {
        self.status.send_modify(|status| {
            status.deaf.get_or_insert_with(|| Suffering {
                since: Instant::now(),
                reason: DEAF.into(),
            });
        });
        std::mem::take(&mut self.deaf).cancel();
    }

    /// A step failed that is tried again. Said once, and again when it fails otherwise.
    pub(super) fn failed(&mut self, error: &RunError) {
        let (subscriber, error) = (self.subscriber.name(), error_chain(error));
        let failing = self.status.borrow().failing.clone();
        if failing.as_ref().is_some_and(|failing| failing.reason == error) {
            tracing::debug!(log = S::Log::NAME, subscriber, error, "it still can't go on");
        } else {
            tracing::warn!(
                log = S::Log::NAME,
                subscriber,
                error,
                "it can't go on: tried again in a while"
            );
        }
        let since = failing.map_or_else(Instant::now, |failing| failing.since);
        self.status
            .send_modify(|status| status.failing = Some(Suffering { since, reason: error }));
    }

    /// It goes on, or there is nothing to do.
    pub(super) fn went_on(&mut self) {
        self.status.send_if_modified(|status| status.failing.take().is_some());
    }

    /// The log is quiet, or a replica is consuming and this one stands by: nothing says that its feed is deaf.
    pub(super) fn missed_nothing(&self) {
        self.status.send_if_modified(|status| status.deaf.take().is_some());
    }

    pub(super) fn heard(&self) -> u64 {
        self.heard
    }

    pub(super) fn applied(&self) -> u64 {
        self.status.borrow().applied
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.checkpoint.is_none()
    }

    /// Says where its events come from, and why its feed is `away`, unless it has stopped meanwhile.
    pub(super) fn set_mode(&mut self, mode: Mode, away: Option<String>) {
        if !self.is_stopped() {
            self.status.send_modify(|status| {
                status.mode = mode;
                status.away = away;
            });
        }
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
        self.stand_at(stored);
        self.look_after_parked().await?;
        let head = self.reader.head().await?;
        self.status.send_modify(|status| status.head = head.position);
        let stalled = head.position > stored.position && seen == Some(stored);
        if stalled || head.position < stored.position {
            self.read_on(Lock::Skip, |_| ()).await?;
        } else if head.position == stored.position && head.event_id != stored.event_id {
            return Err(self
                .stop("the log was put back to another timeline: a rebuild is needed".into())
                .await);
        } else if head.position == stored.position {
            self.went_on();
        }
        Ok(self.checkpoint)
    }

    /// Takes up what waits for newer code, if this is it, and counts what stays parked.
    async fn look_after_parked(&mut self) -> Result<(), RunError> {
        let parked = self.subscriber.look_after_parked().await;
        let parked = self.or_stop(parked).await?;
        self.status.send_modify(|status| status.parked = parked);
        Ok(())
    }

    /// Reads page after page behind the checkpoint and applies it.
    pub(super) async fn read_on(&mut self, lock: Lock, mut each: impl FnMut(&Recorded)) -> Result<(), RunError> {
        let mut refused = 0;
        loop {
            let at = self.at();
            let Slice { anchor, events, more } = self.reader.read(at.position, BATCH_MAX_EVENTS).await?;
            if anchor != Some(at.event_id) {
                self.verify_fork(at, anchor.is_none()).await?;
                continue;
            }
            events.iter().for_each(&mut each);
            let head = events.last().map_or(at, Recorded::checkpoint).position;
            self.status.send_modify(|status| status.head = status.head.max(head));
            let applied = self.apply(&events, lock, Origin::Log).await?;
            if applied {
                refused = 0;
            } else {
                refused += 1;
            }
            let done = applied && !more;
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
            self.stand_at(stored);
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

    pub(super) fn stand_by(&mut self, mode: fn(String) -> Mode, reason: String) -> RunError {
        self.checkpoint = None;
        self.stopped.cancel();
        let subscriber = self.subscriber.name();
        let mode = mode(reason.clone());
        // Its row is asked again and again: said once, and not with each percent.
        let both_rebuild = matches!(
            (&self.status.borrow().mode, &mode),
            (Mode::Rebuilding(_), Mode::Rebuilding(_))
        );
        if self.status.borrow().mode != mode && !both_rebuild {
            tracing::warn!(log = S::Log::NAME, subscriber, reason, "standing by");
        }
        self.status.send_modify(|status| {
            status.mode = mode;
            status.failing = None;
        });
        RunError::Stopped { subscriber, reason }
    }

    pub(super) async fn or_stop<T>(&mut self, result: Result<T, SubscriberError>) -> Result<T, RunError> {
        match result {
            Ok(value) => Ok(value),
            Err(SubscriberError::StandBy { reason, .. }) => Err(self.stand_by(Mode::Halted, reason)),
            Err(SubscriberError::Rebuilding { progress, .. }) => Err(self.stand_by(Mode::Rebuilding, progress)),
            Err(SubscriberError::Permanent { position, source, .. }) => {
                Err(self.stop_behind(position, &error_chain(source.as_ref())).await)
            }
            Err(error) => Err(RunError::Subscriber(error)),
        }
    }

    /// The stored checkpoint is this one, whoever moved it.
    pub(super) fn stand_at(&mut self, checkpoint: Checkpoint) {
        if self.checkpoint.is_some_and(|before| before != checkpoint) {
            self.went_on();
        }
        self.checkpoint = Some(checkpoint);
        let done = self.subscriber.done().unwrap_or(checkpoint);
        self.status.send_modify(|status| status.checkpoint = done);
    }

    /// Ends what the subscriber still runs by itself, when nothing more will be offered.
    pub async fn finish(&mut self) {
        self.subscriber.finish().await;
    }

    pub(super) fn at(&self) -> Checkpoint {
        self.checkpoint.expect("every public step starts the subscriber first")
    }
}
