//! Drives a pipeline: begins what may begin, stores what is done, keeps the claim, drains at the end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};
use tracing::Instrument;
use uuid::Uuid;

use super::rate::{Bucket, Limits};
use super::schedule::{Schedule, Work};
use super::shared::Shared;
use super::store_work::{StoreWork, keep_claim};
use super::{Acknowledge, Failure, Outcome, PipelineConfig, Rate, RateLimit, attempt};
use crate::event::{Log, Recorded};
use crate::event_handler::{EventHandler, EventHandlerStore, EventOf, Role};
use crate::names::{Checkpoint, Position, StreamName};
use crate::subscription::random;

/// How long storing and letting go may take when everything else has ended.
const STORED_WITHIN: Duration = Duration::from_millis(500);

/// A pipeline that runs in tasks of its own. Dropping it is a crash: nothing more is stored.
pub(crate) struct Pipeline<H: EventHandler> {
    pub(crate) shared: Arc<Shared<H>>,
    task: JoinHandle<()>,
    keeper: JoinHandle<()>,
}

/// Where a pipeline begins.
pub(crate) struct Beginning<H, S> {
    pub(crate) handler: Arc<H>,
    pub(crate) config: PipelineConfig,
    pub(crate) store: S,
    pub(crate) holder: Uuid,
    pub(crate) at: Checkpoint,
    /// Streams with parked events, each with its highest one.
    pub(crate) blocked: HashMap<StreamName, Position>,
    /// What an operator has ordered in place of the handler's own limit.
    pub(crate) ordered: Option<RateLimit>,
    pub(crate) acknowledge: Acknowledge,
}

impl<H: EventHandler> Pipeline<H> {
    /// Runs a pipeline for whoever holds the claim.
    pub(crate) fn begin<S: EventHandlerStore>(beginning: Beginning<H, S>) -> Self {
        let Beginning {
            handler,
            config,
            store,
            holder,
            at,
            blocked,
            ordered,
            acknowledge,
        } = beginning;
        let ordered = Rate::of(ordered);
        let limits = Limits::new(&config.rate, &ordered);
        let bucket = Bucket::new(limits.now(H::NAME), Instant::now());
        let (limit, drain_within) = (config.time_limit, config.drain_within);
        let shared = Arc::new(Shared::new(
            handler,
            Schedule::new(config, at, blocked),
            bucket,
            ordered,
            acknowledge,
        ));
        let driver = Driver {
            shared: shared.clone(),
            store: StoreWork::new(shared.clone(), store.clone(), holder, at),
            limits,
            limit,
            drain_within,
            running: JoinSet::new(),
        };
        Self {
            keeper: tokio::spawn(keep_claim(shared.clone(), store, holder)),
            task: tokio::spawn(driver.run()),
            shared,
        }
    }

    /// Lets what is under way end, stores it and lets go of the claim. Dropping the future is a crash.
    pub(crate) async fn end(mut self) {
        self.shared.close("it ends");
        let _ = (&mut self.task).await;
    }
}

impl<H: EventHandler> Drop for Pipeline<H> {
    fn drop(&mut self) {
        self.task.abort();
        self.keeper.abort();
    }
}

/// What became of some work.
type Ended = (Work, Vec<(Position, Failure)>);

struct Driver<H: EventHandler, S: EventHandlerStore> {
    shared: Arc<Shared<H>>,
    store: StoreWork<H, S>,
    limits: Limits,
    limit: Duration,
    drain_within: Duration,
    running: JoinSet<Ended>,
}

impl<H: EventHandler, S: EventHandlerStore> Driver<H, S> {
    async fn run(mut self) {
        let shared = self.shared.clone();
        // Nothing is begun once it closes, not even when a try ends in that moment.
        while !shared.is_closing() {
            self.begin_due();
            self.store.begin();
            let due = self.wakes_at();
            tokio::select! {
                () = shared.closing.cancelled() => break,
                () = shared.wake.notified() => {}
                Some(ended) = self.running.join_next() => self.finish(ended),
                () = self.store.step() => self.shared.tell_room(),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
                () = self.limits.changed() => {
                    shared.inner().bucket.set(self.limits.now(H::NAME), Instant::now());
                }
            }
        }
        self.drain().await;
    }

    fn wakes_at(&self) -> Option<Instant> {
        let mut inner = self.shared.inner();
        let inner = &mut *inner;
        inner.schedule.wakes_at(&mut inner.bucket, Instant::now())
    }

    /// Begins whatever may begin now.
    fn begin_due(&mut self) {
        loop {
            let now = Instant::now();
            let mut inner = self.shared.inner();
            let inner = &mut *inner;
            let Some(work) = inner.schedule.start(&mut inner.bucket, now) else {
                return;
            };
            let events: Vec<_> = work
                .positions
                .iter()
                .map(|position| inner.events[position].clone())
                .collect();
            let tries = inner.schedule.items[&work.positions[0]].tries + 1;
            self.running
                .spawn(handle(self.shared.handler.clone(), work, events, tries, self.limit));
        }
    }

    fn finish(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        // Panics are caught inside; a task is cancelled only together with all of this.
        let Ok((work, failed)) = ended else { return };
        let now = Instant::now();
        let mut inner = self.shared.inner();
        let failures: HashMap<Position, &Failure> =
            failed.iter().map(|(position, failure)| (*position, failure)).collect();
        let told: Vec<_> = work
            .positions
            .iter()
            .map(|position| (*position, failures.get(position).map(|failure| failure.reason.clone())))
            .collect();
        inner.schedule.finish(&work, failed, now, random());
        for (position, failure) in told {
            let outcome = match failure {
                Some(reason) => Outcome::Failed(reason),
                None if inner.schedule.items.contains_key(&position) => continue,
                None => Outcome::Handled,
            };
            count(H::NAME, &outcome);
            if outcome == Outcome::Handled {
                inner.events.remove(&position);
            }
            (self.shared.acknowledge)(position, outcome);
        }
        inner.show::<H>();
        drop(inner);
        self.shared.tell_room();
    }

    /// Lets tries that are under way end, begins no other, and stores how far it came.
    async fn drain(mut self) {
        let deadline = Instant::now() + self.drain_within;
        while let Ok(Some(ended)) = tokio::time::timeout_at(deadline, self.running.join_next()).await {
            self.finish(ended);
        }
        self.running.shutdown().await;
        let shared = self.shared.clone();
        let stored = tokio::time::timeout(STORED_WITHIN, self.store.end());
        if stored.await.is_err() {
            tracing::warn!(
                subscriber = H::NAME,
                why = shared.why(),
                "not everything that is done is stored: it comes again"
            );
        }
        tracing::info!(
            log = H::Log::NAME,
            subscriber = H::NAME,
            why = shared.why(),
            "the pipeline has ended"
        );
    }
}

fn count(subscriber: &'static str, outcome: &Outcome) {
    let name = match outcome {
        Outcome::Handled => "callboard_handler_handled_total",
        Outcome::Failed(_) => "callboard_handler_failed_tries_total",
        Outcome::Parked(_) | Outcome::Skipped => return,
    };
    metrics::counter!(name, "subscriber" => subscriber).increment(1);
}

/// One try, in a task of its own.
async fn handle<H: EventHandler>(
    handler: Arc<H>,
    work: Work,
    events: Vec<Arc<Recorded<EventOf<H>>>>,
    tries: u32,
    limit: Duration,
) -> Ended {
    let first = &events[0];
    let span = tracing::info_span!(
        "handle",
        log = H::Log::NAME,
        subscriber = H::NAME,
        batcher = work.batch.as_ref().map(|key| key.batcher),
        position = %first.position,
        event_id = %first.id,
        events = events.len(),
        tries,
        correlation_id = first.metadata.correlation_id.as_deref(),
        traceparent = first.metadata.traceparent.as_deref(),
    );
    let since = Instant::now();
    let failed = attempt(&*handler, &events, work.batch.clone(), limit)
        .instrument(span.clone())
        .await;
    let seconds = since.elapsed().as_secs_f64();
    metrics::histogram!("callboard_handler_try_seconds", "subscriber" => H::NAME).record(seconds);
    if let Some(key) = &work.batch {
        metrics::histogram!("callboard_handler_batch_events", "subscriber" => H::NAME, "batcher" => key.batcher)
            .record(events.len() as f64);
    }
    span.in_scope(|| match failed.first() {
        None => tracing::debug!(seconds, "handled"),
        Some((position, failure)) => {
            tracing::warn!(%position, seconds, failed = failed.len(), reason = failure.reason, "a try failed");
        }
    });
    (work, failed)
}

/// Lets go of the claim, whatever comes of it: it runs out by itself.
pub(super) async fn let_go<S: EventHandlerStore>(store: &S, holder: Uuid) {
    if let Err(error) = store.release(Role::Run, holder).await {
        tracing::debug!(
            error = crate::error_chain(error.as_ref()),
            "the claim runs out by itself"
        );
    }
}
