//! A dummy producer: hands events to a handler's real pipeline, without a service, a log of its own
//! making and acknowledgements that a test can await.
//!
//! See the crate's documentation for an example. In tests with a paused clock retries, batch ages and
//! rate limits take no time.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::{EventHandler, EventHandlerSubscriber, EventOf, HandlerParking};
use crate::event::Recorded;
use crate::log::{LogReader, LogStore};
use crate::memory::{MemoryEventHandlerStore, MemoryLog};
use crate::names::{Checkpoint, Position};
use crate::parking::Parking;
use crate::pipeline::Outcome;
use crate::spec::record;
use crate::subscription::{Lock, RunError, Runner};

type Outcomes = HashMap<Position, Vec<Outcome>>;
type Running<H> = Runner<EventHandlerSubscriber<H, MemoryEventHandlerStore, MemoryLog>, MemoryLog>;

/// Produces events for one handler.
pub struct DummyProducer<H: EventHandler> {
    log: MemoryLog,
    store: MemoryEventHandlerStore,
    handler: Arc<H>,
    runner: Running<H>,
    outcomes: Arc<watch::Sender<Outcomes>>,
}

impl<H: EventHandler> DummyProducer<H> {
    /// A producer for this handler, whose pipeline begins with the first event.
    pub async fn new(handler: H) -> Self {
        let (log, handler) = (MemoryLog::new(), Arc::new(handler));
        let store = MemoryEventHandlerStore::new(&log);
        let outcomes = Arc::new(watch::Sender::new(Outcomes::new()));
        let runner = running(&handler, &store, &log, &outcomes);
        let mut producer = Self {
            log,
            store,
            handler,
            runner,
            outcomes,
        };
        producer.runner.start().await.expect("a handler in memory starts");
        producer
    }

    /// Records an event of this stream and hands it to the pipeline, waiting for room if need be.
    pub async fn produce(&mut self, stream: &str, event: EventOf<H>) -> Acknowledgement {
        self.record(stream, event).await;
        let acknowledgement = self.last().await;
        self.feed().await;
        acknowledgement
    }

    /// Records an event of this stream, for [`DummyProducer::feed`].
    pub async fn record(&mut self, stream: &str, event: EventOf<H>) -> Acknowledgement {
        record::<H::Log>(&self.log, &[(stream, event)]).await;
        self.last().await
    }

    /// Hands everything that is recorded to the pipeline, waiting for room if need be.
    pub async fn feed(&mut self) {
        while let Err(error) = self.runner.catch_up(Lock::Wait).await {
            assert!(
                !matches!(error, RunError::Stopped { .. }),
                "the handler goes on: {error}"
            );
        }
    }

    async fn last(&self) -> Acknowledgement {
        let head = self.log.head().await.expect("a log in memory can be read");
        Acknowledgement {
            position: head.position,
            outcomes: self.outcomes.subscribe(),
        }
    }

    /// The checkpoint that is stored. What is done is stored a moment later.
    pub async fn checkpoint(&self) -> Checkpoint {
        use super::EventHandlerStore;
        match self.store.load().await.expect("memory can be read") {
            crate::process_manager::Registration::At(checkpoint) => checkpoint,
            other => panic!("it is registered and runs: {other:?}"),
        }
    }

    /// The parked events, and what can be done with them.
    pub fn parking(&self) -> impl Parking + use<H> {
        HandlerParking::new(Some(self.handler.clone()), self.store.clone(), self.log.clone())
    }

    /// Crashes: whatever isn't stored is forgotten. The next [`DummyProducer::feed`] begins behind
    /// the stored checkpoint, when the claim of the life before has run out.
    pub async fn crash(&mut self) {
        self.runner = running(&self.handler, &self.store, &self.log, &self.outcomes);
        self.runner.start().await.expect("it starts again");
    }

    /// Ends the pipeline in order: what is under way ends within its deadline, nothing else begins.
    /// The next [`DummyProducer::feed`] begins behind the stored checkpoint.
    pub async fn drain(&mut self) {
        self.runner.finish().await;
        self.crash().await;
    }

    /// The log that it made.
    pub fn log(&self) -> impl LogStore + use<H> {
        self.log.clone()
    }

    /// What has become of each event so far.
    pub fn outcomes(&self) -> HashMap<Position, Vec<Outcome>> {
        self.outcomes.borrow().clone()
    }
}

fn running<H: EventHandler>(
    handler: &Arc<H>,
    store: &MemoryEventHandlerStore,
    log: &MemoryLog,
    outcomes: &Arc<watch::Sender<Outcomes>>,
) -> Running<H> {
    let outcomes = outcomes.clone();
    let acknowledge = Arc::new(move |position, outcome| {
        outcomes.send_modify(|outcomes| outcomes.entry(position).or_default().push(outcome));
    });
    let subscriber = EventHandlerSubscriber::watched(handler.clone(), store.clone(), log.clone(), acknowledge);
    Runner::new(subscriber, log.clone())
}

/// What will have become of an event.
#[derive(Debug, Clone)]
pub struct Acknowledgement {
    /// Where the event stands in the producer's log.
    pub position: Position,
    outcomes: watch::Receiver<Outcomes>,
}

impl Acknowledgement {
    /// Waits until the event is handled, parked or skipped: the last outcome. Dropping the future is
    /// safe.
    pub async fn done(&mut self) -> Outcome {
        self.until(|outcomes| {
            outcomes
                .iter()
                .find(|outcome| !matches!(outcome, Outcome::Failed(_)))
                .cloned()
        })
        .await
    }

    /// Waits until a try of the event has failed for the `times`th time; what was said.
    pub async fn failed(&mut self, times: usize) -> String {
        let failures = |outcomes: &[Outcome]| {
            let mut failed = outcomes.iter().filter_map(|outcome| match outcome {
                Outcome::Failed(reason) => Some(reason.clone()),
                _ => None,
            });
            failed.nth(times.saturating_sub(1))
        };
        self.until(failures).await
    }

    async fn until<T>(&mut self, found: impl Fn(&[Outcome]) -> Option<T>) -> T {
        let position = self.position;
        let of = |outcomes: &Outcomes| outcomes.get(&position).and_then(|outcomes| found(outcomes));
        let outcomes = self.outcomes.wait_for(|outcomes| of(outcomes).is_some()).await;
        let outcomes = outcomes.expect("its producer lives on");
        of(&outcomes).expect("it was waited for")
    }
}

/// Notes what a handler is given, and decides what becomes of it: for tests of whatever runs a
/// handler.
#[derive(Clone)]
pub struct Calls<E>(Arc<Mutex<Vec<Arc<Recorded<E>>>>>);

impl<E> Default for Calls<E> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<E: Clone> Calls<E> {
    /// Notes a call.
    pub fn note(&self, event: &Recorded<E>) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::new(event.clone()));
    }

    /// Every call so far, in order.
    pub fn all(&self) -> Vec<Arc<Recorded<E>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The positions of every call so far, in order.
    pub fn positions(&self) -> Vec<u64> {
        self.all().iter().map(|event| event.position.get()).collect()
    }
}

impl<E> fmt::Debug for Calls<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Calls")
    }
}
