//! Runs of events: how one is applied, and what becomes of an event that can't be.

use tracing::Instrument;

use crate::error_chain;
use crate::event::{Event, Log, Recorded};
use crate::log::LogReader;
use crate::parking::{Cause, OnFailure};
use crate::subscription::runner::{BATCH_MAX_EVENTS, Origin, RunError, Runner};
use crate::subscription::{Applied, Lock, Subscriber, SubscriberError};

pub(super) type EventOf<S> = <<S as Subscriber>::Log as Log>::Event;

/// What became of a run.
enum Taken {
    /// All of it is applied.
    All,
    /// It doesn't continue the stored checkpoint, or somebody else is at it.
    NotNext,
    /// Everything in front of this event is applied, and this one can't be.
    UpTo(Failed),
}

/// An event that can't be applied.
struct Failed {
    /// Its index in the run.
    index: usize,
    cause: Cause,
    reason: String,
}

impl<S: Subscriber, R: LogReader> Runner<S, R> {
    /// Applies a gapless run; false when it doesn't continue the stored checkpoint, (skipping
    /// locks) somebody else is at it, or something in it is for the log to judge.
    pub(super) async fn apply(&mut self, events: &[Recorded], lock: Lock, origin: Origin) -> Result<bool, RunError> {
        let mut rest = events;
        while !rest.is_empty() {
            let (run, more) = rest.split_at(rest.len().min(BATCH_MAX_EVENTS));
            match self.apply_run(run, lock).await? {
                Taken::All => rest = more,
                Taken::NotNext => return Ok(false),
                Taken::UpTo(_) if origin == Origin::Feed => return Ok(false),
                Taken::UpTo(failed) => {
                    if !self.give_up(&run[failed.index], &failed, lock).await? {
                        return Ok(false);
                    }
                    rest = &rest[failed.index + 1..];
                }
            }
        }
        Ok(true)
    }

    /// Applies as much of a run as can be applied.
    async fn apply_run(&mut self, events: &[Recorded], lock: Lock) -> Result<Taken, RunError> {
        let (decoded, mut failed) = decode::<EventOf<S>>(events);
        let mut run = &decoded[..];
        while !run.is_empty() {
            let (position, source) = match self.transact(run, lock).await {
                // What was taken only in part goes on behind that.
                Ok(true) => {
                    run = &run[run.partition_point(|event| event.position <= self.at().position)..];
                    continue;
                }
                Ok(false) => return Ok(Taken::NotNext),
                Err(SubscriberError::Permanent { position, source, .. }) => (position, source),
                Err(error) => return self.or_stop(Err(error)).await,
            };
            let reason = error_chain(source.as_ref());
            // All or nothing: what stands before the event at fault is applied on its own.
            let index = run.partition_point(|event| event.position < position);
            if run.get(index).is_none_or(|event| event.position != position) {
                return Err(self.stop_behind(position, &reason).await);
            }
            run = &run[..index];
            let cause = Cause::Failed;
            failed = Some(Failed { index, cause, reason });
        }
        Ok(failed.map_or(Taken::All, Taken::UpTo))
    }

    /// Parks an event of the log, or halts at it, unless another replica has applied it; false when
    /// the checkpoint isn't in front of it any more.
    async fn give_up(&mut self, event: &Recorded, failed: &Failed, lock: Lock) -> Result<bool, RunError> {
        let Failed { cause, reason, .. } = failed;
        let halted = format!("position {}: {reason}", event.position);
        if self.subscriber.on_failure() == OnFailure::Halt {
            let at = self.at();
            let stored = self.subscriber.checkpoint().await;
            let stored = self.or_stop(stored).await?;
            if stored != at {
                self.stand_at(stored);
                return Ok(false);
            }
            return Err(self.stop_at(event.position, *cause, halted).await);
        }
        match self.subscriber.park(event, *cause, reason, lock).await {
            Ok(applied) => {
                if matches!(applied, Applied::Moved { events, .. } if events > 0) {
                    let (position, subscriber) = (event.position, self.subscriber.name());
                    tracing::error!(log = S::Log::NAME, subscriber, %position, %cause, reason, "PARKED: needs a person");
                }
                Ok(self.settle(applied))
            }
            Err(SubscriberError::Permanent { source, .. }) => {
                let why = error_chain(source.as_ref());
                let reason = format!("{halted}; it can't be parked: {why}");
                Err(self.stop_at(event.position, *cause, reason).await)
            }
            Err(error) => self.or_stop(Err(error)).await,
        }
    }

    async fn transact(&mut self, events: &[Recorded<EventOf<S>>], lock: Lock) -> Result<bool, SubscriberError> {
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
        let applied = self.subscriber.apply(events, lock).instrument(span.clone()).await?;
        if let Applied::Moved { events: count, .. } = applied {
            span.in_scope(|| trace_applied(events, count));
        }
        Ok(self.settle(applied))
    }

    /// Takes note of what became of a run; whether the checkpoint is behind it now.
    fn settle(&mut self, applied: Applied) -> bool {
        match applied {
            Applied::Moved { checkpoint, events } => {
                if events > 0 {
                    self.went_on();
                }
                self.checkpoint = Some(checkpoint);
                let done = self.subscriber.done().unwrap_or(checkpoint);
                self.status.send_modify(|status| {
                    status.checkpoint = done;
                    status.head = status.head.max(checkpoint.position);
                    status.applied += events as u64;
                    status.transactions += 1;
                });
                true
            }
            Applied::NotNext { checkpoint } => {
                self.stand_at(checkpoint);
                false
            }
            Applied::Busy => false,
        }
    }
}

/// The events up to the first that can't be decoded, and why that one can't.
fn decode<E: Event>(events: &[Recorded]) -> (Vec<Recorded<E>>, Option<Failed>) {
    let mut decoded = Vec::with_capacity(events.len());
    for (index, event) in events.iter().enumerate() {
        match event.decode() {
            Ok(event) => decoded.push(event),
            Err(error) => {
                let (cause, reason) = (Cause::Undecodable, error_chain(&error));
                return (decoded, Some(Failed { index, cause, reason }));
            }
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
