//! What a subscriber and its running pipeline share.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::rate::Bucket;
use super::schedule::{Route, Schedule};
use super::{Acknowledge, Outcome, Rate};
use crate::event::{Event, Recorded};
use crate::event_handler::{EventHandler, EventOf};
use crate::names::{Checkpoint, Position};
use crate::panic_text;
use crate::parking::Cause;

/// After so long without a delivery of its own a pipeline is given up to a replica that has some.
const UNFED_AFTER: Duration = Duration::from_secs(5);

pub(crate) struct Shared<H: EventHandler> {
    pub(super) handler: Arc<H>,
    state: Mutex<Inner<EventOf<H>>>,
    /// The pipeline has something new to look at.
    pub(super) wake: Notify,
    /// There may be room again.
    room: Notify,
    pub(super) closing: CancellationToken,
    why: Mutex<String>,
    /// When events came from its own feed last.
    fed_at: Mutex<Instant>,
    /// What an operator has ordered in place of the handler's own limit.
    pub(super) ordered: Rate,
    pub(super) acknowledge: Acknowledge,
}

pub(super) struct Inner<E> {
    pub(super) schedule: Schedule,
    pub(super) events: HashMap<Position, Arc<Recorded<E>>>,
    pub(super) bucket: Bucket,
}

impl<E> Inner<E> {
    /// Shows how much is not done yet, and how much of it is under way.
    pub(super) fn show<H: EventHandler>(&self) {
        let (undone, running) = (self.schedule.items.len(), self.schedule.running());
        metrics::gauge!("callboard_handler_undone", "subscriber" => H::NAME).set(undone as f64);
        metrics::gauge!("callboard_handler_running", "subscriber" => H::NAME).set(running as f64);
    }
}

/// How much of a run was taken in.
pub(crate) struct TakenIn {
    /// How far.
    pub(crate) checkpoint: Checkpoint,
    /// How many events.
    pub(crate) events: usize,
}

impl<H: EventHandler> Shared<H> {
    pub(super) fn new(
        handler: Arc<H>,
        schedule: Schedule,
        bucket: Bucket,
        ordered: Rate,
        acknowledge: Acknowledge,
    ) -> Self {
        Self {
            handler,
            state: Mutex::new(Inner {
                schedule,
                events: HashMap::new(),
                bucket,
            }),
            wake: Notify::new(),
            room: Notify::new(),
            closing: CancellationToken::new(),
            why: Mutex::default(),
            fed_at: Mutex::new(Instant::now()),
            ordered,
            acknowledge,
        }
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner<EventOf<H>>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far events were taken in.
    pub(crate) fn taken(&self) -> Checkpoint {
        self.inner().schedule.taken()
    }

    /// Up to where everything is done.
    pub(crate) fn done(&self) -> Checkpoint {
        self.inner().schedule.checkpoint()
    }

    /// Whether it ends or has ended.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.is_cancelled()
    }

    /// Why it ends.
    pub(crate) fn why(&self) -> String {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets it end; the first reason counts.
    pub(crate) fn close(&self, why: impl Into<String>) {
        let mut reason = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        if reason.is_empty() {
            *reason = why.into();
        }
        drop(reason);
        self.closing.cancel();
    }

    /// Takes in as many events as there is room for. They continue what was taken in.
    pub(crate) fn take(&self, events: &[Recorded<EventOf<H>>]) -> TakenIn {
        let now = Instant::now();
        let mut inner = self.inner();
        let mut taken = 0;
        for event in events {
            if self.is_closing() || !inner.schedule.has_room() {
                break;
            }
            self.take_one(&mut inner, event, now);
            taken += 1;
        }
        let checkpoint = inner.schedule.taken();
        drop(inner);
        self.wake.notify_one();
        TakenIn {
            checkpoint,
            events: taken,
        }
    }

    fn take_one(&self, inner: &mut Inner<EventOf<H>>, event: &Recorded<EventOf<H>>, now: Instant) {
        if !H::TYPES.contains(&event.event.event_type().name) {
            inner.schedule.skip(event.checkpoint());
            (self.acknowledge)(event.position, Outcome::Skipped);
            return;
        }
        let route = self.route(inner, event);
        let event = Arc::new(event.clone());
        if inner.schedule.take(event.checkpoint(), &event.stream, route, now) {
            inner.events.insert(event.position, event);
        }
        metrics::counter!("callboard_handler_taken_total", "subscriber" => H::NAME).increment(1);
    }

    fn route(&self, inner: &Inner<EventOf<H>>, event: &Recorded<EventOf<H>>) -> Route {
        match catch_unwind(AssertUnwindSafe(|| self.handler.batch(event))) {
            Ok(None) => Route::Alone,
            Ok(Some(key)) if inner.schedule.batcher(&key).is_some() => Route::Batch(key),
            Ok(Some(key)) => Route::Unfit(Cause::Failed, format!("no batcher is named {}", key.batcher)),
            Err(panic) => Route::Unfit(Cause::Failed, format!("its batch panicked: {}", panic_text(&*panic))),
        }
    }

    /// Takes in an event that can't be handled: it is parked when its turn comes. False without room.
    pub(crate) fn take_unfit(&self, event: &Recorded, cause: Cause, reason: &str) -> bool {
        let mut inner = self.inner();
        if self.is_closing() || !inner.schedule.has_room() {
            return false;
        }
        if H::TYPES.contains(&&*event.event.event_type) {
            let route = Route::Unfit(cause, reason.to_owned());
            inner
                .schedule
                .take(event.checkpoint(), &event.stream, route, Instant::now());
        } else {
            inner.schedule.skip(event.checkpoint());
        }
        drop(inner);
        self.wake.notify_one();
        true
    }

    /// Events come from its own feed.
    pub(crate) fn fed(&self) {
        *self.fed_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Whether nothing has come from its own feed for a while.
    pub(super) fn is_unfed(&self) -> bool {
        self.fed_at.lock().unwrap_or_else(PoisonError::into_inner).elapsed() >= UNFED_AFTER
    }

    pub(super) fn tell_room(&self) {
        self.room.notify_one();
    }

    /// Waits until there may be room, or it ends. Dropping the future is safe.
    pub(crate) async fn room(&self) {
        tokio::select! {
            () = self.room.notified() => {}
            () = self.closing.cancelled() => {}
        }
    }
}
