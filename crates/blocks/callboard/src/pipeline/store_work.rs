//! What a pipeline stores, one thing at a time: parked lanes first, then the checkpoint.

use std::future::pending;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::Outcome;
use super::run::let_go;
use super::shared::Shared;
use crate::error_chain;
use crate::event::Log;
use crate::event_handler::{
    Claim, EventHandler, EventHandlerStore, LEASE, LaneParked, Moved, ParkLane, RENEW_EVERY, Role,
};
use crate::log::Source;
use crate::names::Checkpoint;
use crate::parking::{Cause, OnFailure, TOO_MANY};
use crate::subscription::Backoff;

/// Said when another replica holds the claim.
const TAKEN_OVER: &str = "another replica runs it";

enum Answer {
    Moved(Checkpoint, Result<Moved, Source>),
    Parked(ParkLane, Result<LaneParked, Source>),
}

/// Stores what a pipeline has come to.
pub(super) struct StoreWork<H: EventHandler, S> {
    shared: Arc<Shared<H>>,
    store: S,
    holder: Uuid,
    /// The checkpoint that is stored.
    stored: Checkpoint,
    under_way: Option<BoxFuture<'static, Answer>>,
    backoff: Backoff,
    /// After trouble, not before.
    not_before: Option<Instant>,
    /// Nothing more may be stored: somebody else has taken over.
    lost: bool,
    /// Why it has to halt.
    halt: Option<String>,
}

impl<H: EventHandler, S: EventHandlerStore> StoreWork<H, S> {
    pub(super) fn new(shared: Arc<Shared<H>>, store: S, holder: Uuid, stored: Checkpoint) -> Self {
        Self {
            shared,
            store,
            holder,
            stored,
            under_way: None,
            backoff: Backoff::default(),
            not_before: None,
            lost: false,
            halt: None,
        }
    }

    /// Begins to store what there is, unless something is being stored.
    pub(super) fn begin(&mut self) {
        if self.lost || self.under_way.is_some() || self.not_before.is_some_and(|at| at > Instant::now()) {
            return;
        }
        self.not_before = None;
        let lane = self.shared.inner().schedule.next_to_park();
        if let Some(lane) = lane {
            match lane.events.first() {
                Some(first) if H::ON_FAILURE == OnFailure::Halt && first.cause != Cause::Behind => {
                    self.must_halt(format!("position {}: {}", first.position, first.reason));
                }
                _ => self.park(lane),
            }
            return;
        }
        let (store, holder, from, to) = (self.store.clone(), self.holder, self.stored, self.shared.done());
        if from != to {
            let moved = async move { Answer::Moved(to, store.advance(holder, from, to).await) };
            self.under_way = Some(moved.boxed());
        }
    }

    fn park(&mut self, lane: ParkLane) {
        let (store, holder) = (self.store.clone(), self.holder);
        let parked = async move {
            let parked = store.park(holder, &lane).await;
            Answer::Parked(lane, parked)
        };
        self.under_way = Some(parked.boxed());
    }

    fn must_halt(&mut self, reason: String) {
        tracing::error!(
            log = H::Log::NAME,
            subscriber = H::NAME,
            reason,
            "HALTED: needs a person"
        );
        self.shared.close(reason.clone());
        self.halt.get_or_insert(reason);
    }

    /// Waits until something is stored, or may be tried again. Dropping the future loses nothing.
    pub(super) async fn step(&mut self) {
        let answer = match (&mut self.under_way, self.not_before) {
            (Some(under_way), _) => under_way.await,
            (None, Some(at)) => return sleep_until(at).await,
            (None, None) => return pending().await,
        };
        self.under_way = None;
        match answer {
            Answer::Moved(to, moved) => self.moved(to, moved),
            Answer::Parked(lane, parked) => self.parked(&lane, parked),
        }
    }

    fn moved(&mut self, to: Checkpoint, moved: Result<Moved, Source>) {
        match moved {
            Ok(Moved::Done) => {
                self.stored = to;
                self.backoff.reset();
            }
            // An answer that was lost: this very step had been stored.
            Ok(Moved::Elsewhere(at)) if at == to => self.stored = to,
            Ok(Moved::Elsewhere(at)) => self.lose(format!("its checkpoint is {}", at.position)),
            Ok(Moved::Lost) => self.lose(TAKEN_OVER.into()),
            Err(error) => self.trouble(&error),
        }
    }

    fn parked(&mut self, lane: &ParkLane, parked: Result<LaneParked, Source>) {
        let now = Instant::now();
        let mut inner = self.shared.inner();
        match parked {
            Ok(LaneParked::Done) => {
                inner.schedule.parked(lane, now);
                for event in &lane.events {
                    inner.events.remove(&event.position);
                }
                inner.show::<H>();
                drop(inner);
                self.tell_parked(lane);
            }
            Ok(LaneParked::Free) => inner.schedule.freed(&lane.stream, now),
            Ok(LaneParked::TooMany) => {
                drop(inner);
                self.must_halt(TOO_MANY.into());
            }
            Ok(LaneParked::Lost) => {
                drop(inner);
                self.lose(TAKEN_OVER.into());
            }
            Err(error) => {
                inner.schedule.not_parked(&lane.stream, now);
                drop(inner);
                self.trouble(&error);
            }
        }
    }

    fn lose(&mut self, why: String) {
        self.lost = true;
        self.shared.close(why);
    }

    fn tell_parked(&mut self, lane: &ParkLane) {
        self.backoff.reset();
        for event in &lane.events {
            let (position, cause, reason) = (event.position, event.cause, &event.reason);
            if cause != Cause::Behind {
                tracing::error!(log = H::Log::NAME, subscriber = H::NAME, %position, %cause, reason, "PARKED: needs a person");
            }
            metrics::counter!("callboard_handler_parked_total", "subscriber" => H::NAME).increment(1);
            (self.shared.acknowledge)(position, Outcome::Parked(reason.clone()));
        }
    }

    fn trouble(&mut self, error: &Source) {
        tracing::warn!(
            subscriber = H::NAME,
            error = error_chain(error.as_ref()),
            "can't store how far it has come yet"
        );
        self.not_before = Some(Instant::now() + self.backoff.next_delay());
    }

    /// Stores what is left, then that it has halted if so, and lets go of the claim.
    pub(super) async fn end(&mut self) {
        loop {
            self.begin();
            if self.under_way.is_none() {
                break;
            }
            self.step().await;
        }
        if let Some(reason) = &self.halt
            && let Err(error) = self.store.halt(reason).await
        {
            tracing::error!(
                subscriber = H::NAME,
                error = error_chain(error.as_ref()),
                "the halt couldn't be stored"
            );
        }
        let_go(&self.store, self.holder).await;
    }
}

/// Renews the claim until the pipeline ends; ends it when the claim is lost or wanted elsewhere.
pub(super) async fn keep_claim<H: EventHandler, S: EventHandlerStore>(shared: Arc<Shared<H>>, store: S, holder: Uuid) {
    let mut held_at = Instant::now();
    loop {
        tokio::time::sleep(RENEW_EVERY).await;
        let asked_at = Instant::now();
        let claim = tokio::time::timeout(RENEW_EVERY, store.claim(Role::Run, holder, false)).await;
        match claim.unwrap_or_else(|_| Err("the store doesn't answer".into())) {
            Ok(Claim::Held { wanted }) => {
                held_at = asked_at;
                look_at_rate(&shared, &store).await;
                if wanted && shared.is_unfed() {
                    shared.close("the replica that gets the deliveries runs it");
                }
            }
            Ok(Claim::Elsewhere) => shared.close(TAKEN_OVER),
            Ok(Claim::StandBy(reason)) => shared.close(reason),
            Err(error) => {
                tracing::warn!(
                    subscriber = H::NAME,
                    error = error_chain(error.as_ref()),
                    "can't renew its claim"
                );
                // Before the store gives it to somebody else, by whichever clock.
                if held_at.elapsed() + RENEW_EVERY >= LEASE {
                    shared.close("its claim has run out");
                }
            }
        }
    }
}

/// Takes up what an operator has ordered; without an answer the limit stays as it is.
async fn look_at_rate<H: EventHandler, S: EventHandlerStore>(shared: &Shared<H>, store: &S) {
    match tokio::time::timeout(RENEW_EVERY, store.rate()).await {
        Ok(Ok(rate)) => shared.ordered.set(rate.map(Into::into)),
        Ok(Err(error)) => {
            let error = error_chain(error.as_ref());
            tracing::warn!(
                subscriber = H::NAME,
                error,
                "can't look whether its rate limit was changed"
            );
        }
        Err(_) => tracing::warn!(subscriber = H::NAME, "can't look whether its rate limit was changed"),
    }
}
