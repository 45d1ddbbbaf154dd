//! An event handler as a subscriber: it takes events in, and its pipeline gets them done.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use uuid::Uuid;

use super::parking::HandlerParking;
use super::{Claim, EventHandler, EventHandlerStore, EventOf, Role};
use crate::event::Recorded;
use crate::log::{LogReader, Source};
use crate::names::{Checkpoint, Position, StreamName};
use crate::parking::{Cause, OnFailure};
use crate::pipeline::{Acknowledge, Beginning, Pipeline, TakenIn};
use crate::process_manager::Registration;
use crate::subscription::{Applied, Lock, Subscriber, SubscriberError, behind, beside};

/// How long a run waits for room before others get their turn.
const ROOM_WITHIN: Duration = Duration::from_millis(250);

/// Runs an [`EventHandler`] on its store.
///
/// Its [`Subscriber::checkpoint`] says how far events were taken in, for a delivery may be
/// acknowledged then: the log has it. What is stored is how far everything is done.
pub struct EventHandlerSubscriber<H: EventHandler, S, R> {
    handler: Arc<H>,
    store: S,
    reader: R,
    /// Who this is in claims.
    holder: Uuid,
    pipeline: Option<Pipeline<H>>,
    acknowledge: Acknowledge,
    /// Takes up parked events that waited for code like this.
    taking_up: Option<JoinHandle<()>>,
    /// What was parked when that was looked at last.
    looked_at: (u64, Position),
}

impl<H: EventHandler, S: EventHandlerStore, R: LogReader> EventHandlerSubscriber<H, S, R> {
    /// The handler on this store.
    pub fn new(handler: Arc<H>, store: S, reader: R) -> Self {
        Self::watched(handler, store, reader, Arc::new(|_, _| ()))
    }

    /// The handler on this store; `acknowledge` hears what becomes of each event.
    pub(super) fn watched(handler: Arc<H>, store: S, reader: R, acknowledge: Acknowledge) -> Self {
        Self {
            handler,
            store,
            reader,
            holder: Uuid::new_v4(),
            pipeline: None,
            acknowledge,
            taking_up: None,
            looked_at: (0, Position::START),
        }
    }

    fn transient(source: impl Into<Source>) -> SubscriberError {
        SubscriberError::Transient {
            subscriber: H::NAME,
            source: source.into(),
        }
    }

    fn full(reason: &str) -> SubscriberError {
        SubscriberError::Full {
            subscriber: H::NAME,
            reason: reason.into(),
        }
    }

    async fn load(&self) -> Result<Checkpoint, SubscriberError> {
        self.store.load().await.map_err(Self::transient)?.checkpoint(H::NAME)
    }

    /// The pipeline, unless it has ended.
    async fn running(&mut self) -> Option<&Pipeline<H>> {
        if self
            .pipeline
            .as_ref()
            .is_some_and(|pipeline| pipeline.shared.is_closing())
            && let Some(pipeline) = self.pipeline.take()
        {
            pipeline.end().await;
        }
        self.pipeline.as_ref()
    }

    /// The running pipeline, begun if the claim can be had.
    async fn begun(&mut self, lock: Lock) -> Result<Option<&Pipeline<H>>, SubscriberError> {
        if self.running().await.is_none() {
            let wants = lock == Lock::Wait;
            let claim = self.store.claim(Role::Run, self.holder, wants).await;
            match claim.map_err(Self::transient)? {
                Claim::Held { .. } => {}
                Claim::Elsewhere => return Ok(None),
                Claim::StandBy(reason) => {
                    let subscriber = H::NAME;
                    return Err(SubscriberError::StandBy { subscriber, reason });
                }
            }
            // Only now, for whoever held the claim before stores no more.
            let at = self.load().await?;
            let parked = self.store.parked().await.map_err(Self::transient)?;
            let ordered = self.store.rate().await.map_err(Self::transient)?;
            // In order, so that the highest one of each stream stays.
            let blocked: HashMap<StreamName, Position> = parked
                .into_iter()
                .map(|parked| (parked.stream, parked.position))
                .collect();
            self.pipeline = Some(Pipeline::begin(Beginning {
                config: self.handler.pipeline(),
                handler: self.handler.clone(),
                store: self.store.clone(),
                holder: self.holder,
                at,
                blocked,
                ordered: ordered.map(Into::into),
                acknowledge: self.acknowledge.clone(),
            }));
        }
        Ok(self.pipeline.as_ref())
    }

    /// Somebody else runs the handler: who only heals keeps still, who has deliveries waits for them.
    async fn elsewhere(lock: Lock) -> Result<Applied, SubscriberError> {
        match lock {
            Lock::Skip => Ok(Applied::Busy),
            Lock::Wait => {
                tokio::time::sleep(ROOM_WITHIN).await;
                Err(Self::full("another replica runs it"))
            }
        }
    }
}

impl<H: EventHandler, S: EventHandlerStore, R: LogReader> Subscriber for EventHandlerSubscriber<H, S, R> {
    type Log = H::Log;

    fn name(&self) -> &'static str {
        H::NAME
    }

    /// At the very first start it registers at the head: it never back-fills.
    async fn start(&mut self) -> Result<Checkpoint, SubscriberError> {
        if let Some(pipeline) = self.pipeline.take() {
            pipeline.end().await;
        }
        if self.store.load().await.map_err(Self::transient)? == Registration::Unregistered {
            let head = self.reader.head().await.map_err(Self::transient)?;
            self.store.register(head).await.map_err(Self::transient)?;
        }
        self.load().await
    }

    async fn checkpoint(&mut self) -> Result<Checkpoint, SubscriberError> {
        match self.running().await {
            Some(pipeline) => Ok(pipeline.shared.taken()),
            None => self.load().await,
        }
    }

    async fn apply(&mut self, events: &[Recorded<EventOf<H>>], lock: Lock) -> Result<Applied, SubscriberError> {
        let Some(pipeline) = self.begun(lock).await? else {
            return Self::elsewhere(lock).await;
        };
        let checkpoint = pipeline.shared.taken();
        let Some(fresh) = behind(checkpoint, events) else {
            return Ok(Applied::NotNext { checkpoint });
        };
        if lock == Lock::Wait {
            pipeline.shared.fed();
        }
        let mut taken = pipeline.shared.take(fresh);
        if taken.events == 0 && !fresh.is_empty() {
            let _ = tokio::time::timeout(ROOM_WITHIN, pipeline.shared.room()).await;
            taken = pipeline.shared.take(fresh);
            if taken.events == 0 {
                return Err(Self::full("as many events as may be are under way"));
            }
        }
        let TakenIn { checkpoint, events } = taken;
        Ok(Applied::Moved { checkpoint, events })
    }

    fn done(&self) -> Option<Checkpoint> {
        self.pipeline.as_ref().map(|pipeline| pipeline.shared.done())
    }

    /// Ends the pipeline: what is under way ends first, within its deadline.
    async fn finish(&mut self) {
        if let Some(pipeline) = self.pipeline.take() {
            pipeline.shared.close("the service stops");
            pipeline.end().await;
        }
        if let Some(taking_up) = self.taking_up.take() {
            taking_up.abort();
        }
    }

    /// What can't be decoded comes to [`Subscriber::park`], which knows whether it is wanted at all.
    fn on_failure(&self) -> OnFailure {
        OnFailure::Park
    }

    async fn park(
        &mut self,
        event: &Recorded,
        cause: Cause,
        reason: &str,
        lock: Lock,
    ) -> Result<Applied, SubscriberError> {
        let Some(pipeline) = self.begun(lock).await? else {
            return Self::elsewhere(lock).await;
        };
        let checkpoint = pipeline.shared.taken();
        if let Some(applied) = beside(checkpoint, event) {
            return Ok(applied);
        }
        if !pipeline.shared.take_unfit(event, cause, reason) {
            let _ = tokio::time::timeout(ROOM_WITHIN, pipeline.shared.room()).await;
            if !pipeline.shared.take_unfit(event, cause, reason) {
                return Err(Self::full("as many events as may be are under way"));
            }
        }
        let checkpoint = event.checkpoint();
        // The pipeline says so when it is parked.
        Ok(Applied::Moved { checkpoint, events: 0 })
    }

    async fn look_after_parked(&mut self) -> Result<u64, SubscriberError> {
        let (parked, newest) = self.store.count_parked().await.map_err(Self::transient)?;
        let busy = self.taking_up.as_ref().is_some_and(|task| !task.is_finished());
        if newest > Position::START && self.looked_at != (parked, newest) && !busy {
            self.looked_at = (parked, newest);
            let parking = HandlerParking::new(Some(self.handler.clone()), self.store.clone(), self.reader.clone());
            // Apart, for a handler may take its time.
            self.taking_up = Some(tokio::spawn(async move { parking.take_up().await }));
        }
        Ok(parked)
    }

    async fn halt(&mut self, reason: &str) -> Result<(), SubscriberError> {
        if let Some(pipeline) = self.pipeline.take() {
            pipeline.shared.close(reason);
            pipeline.end().await;
        }
        self.store.halt(reason).await.map_err(Self::transient)
    }
}

impl<H: EventHandler, S, R> Drop for EventHandlerSubscriber<H, S, R> {
    fn drop(&mut self) {
        if let Some(taking_up) = &self.taking_up {
            taking_up.abort();
        }
    }
}
