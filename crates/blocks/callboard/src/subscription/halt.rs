//! Halts, and those that newer code lifts by itself.

use crate::error_chain;
use crate::event::Log;
use crate::log::LogReader;
use crate::names::Position;
use crate::parking::Cause;
use crate::subscription::apply::EventOf;
use crate::subscription::runner::{RunError, Runner};
use crate::subscription::{Mode, Subscriber, SubscriberError};

impl<S: Subscriber, R: LogReader> Runner<S, R> {
    /// Halts for good, loudly: a permanent failure, or another timeline.
    pub(super) async fn stop(&mut self, reason: String) -> RunError {
        let stored = self.subscriber.halt(&reason).await;
        self.halted(stored, reason)
    }

    /// Halts at an event that it can't take: until there is newer code, if that is why.
    pub(super) async fn stop_at(&mut self, position: Position, cause: Cause, reason: String) -> RunError {
        if cause != Cause::Undecodable {
            return self.stop(reason).await;
        }
        let stored = self.subscriber.halt_at_unknown(position, &reason).await;
        self.halted(stored, reason)
    }

    /// Something that was taken before can't be taken any more.
    pub(super) async fn stop_behind(&mut self, position: Position, why: &str) -> RunError {
        let reason = format!("position {position}: {why}");
        match self.knows(position).await {
            // Newer code has taken it, and must not be halted by this one.
            Ok(Some(false)) => self.stand_by(Mode::Halted, reason),
            _ => self.stop(reason).await,
        }
    }

    /// Resumes a subscriber that older code has halted at an event that this code knows; whether it did.
    pub(super) async fn resume_if_known(&mut self) -> Result<bool, RunError> {
        let halted = self.subscriber.halted_at_unknown().await;
        let Some(position) = halted.map_err(RunError::Subscriber)? else {
            return Ok(false);
        };
        if self.knows(position).await? != Some(true) {
            return Ok(false);
        }
        let resumed = self.subscriber.resume_at_unknown(position).await;
        resumed.map_err(RunError::Subscriber)?;
        let subscriber = self.subscriber.name();
        tracing::info!(log = S::Log::NAME, subscriber, %position, "resumed: older code didn't know this event");
        Ok(true)
    }

    /// Whether this code can decode the event at a position; `None` when the log holds none there.
    async fn knows(&mut self, position: Position) -> Result<Option<bool>, RunError> {
        let before = Position::new(position.get().saturating_sub(1));
        let read = self.reader.read(before, 1).await?;
        let event = read.events.first().filter(|event| event.position == position);
        Ok(event.map(|event| event.decode::<EventOf<S>>().is_ok()))
    }

    fn halted(&mut self, stored: Result<(), SubscriberError>, reason: String) -> RunError {
        let subscriber = self.subscriber.name();
        tracing::error!(log = S::Log::NAME, subscriber, reason, "HALTED: needs a person");
        if let Err(error) = stored {
            tracing::error!(subscriber, error = error_chain(&error), "the halt couldn't be stored");
        }
        self.stand_by(Mode::Halted, reason)
    }
}
