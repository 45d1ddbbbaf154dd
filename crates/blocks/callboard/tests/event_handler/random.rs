//! Random completion orders, failures, store troubles and crashes on two replicas: each event is
//! handled at least once, each stream in order, and the checkpoint is never beyond what is undone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use callboard::event_handler::{
    Batch, BatchError, Claim, EventHandlerStore, EventHandlerSubscriber, HandlerParking, InvalidSetting, LaneParked,
    Moved, ParkLane, Role, Settings,
};
use callboard::log::{LogReader, Source};
use callboard::memory::{MemoryEventHandlerStore, MemoryLog};
use callboard::parking::{ParkedEvent, Parking, Selection};
use callboard::pipeline::{BatchKey, Batcher, EventsPerSecond, PipelineConfig, Retry};
use callboard::process_manager::Registration;
use callboard::spec::record;
use callboard::subscription::{Lock, Runner};
use callboard::{Checkpoint, EventHandler, HandlerError, Position, Recorded, StreamName};
use proptest::prelude::*;
use uuid::Uuid;

use crate::scripted::{self, Letters, Post};
use crate::support::pass;

/// What has been seen.
#[derive(Default)]
struct Seen {
    /// The events that were handled, and those that are or were parked.
    settled: BTreeSet<u64>,
    /// The event of each stream that was begun first, in the order of that.
    begun: BTreeMap<StreamName, Vec<u64>>,
    handled: BTreeSet<u64>,
    tries: BTreeMap<u64, usize>,
}

#[derive(Clone)]
struct Chance {
    seen: Arc<Mutex<Seen>>,
    dice: Arc<Vec<u8>>,
    calm: Arc<AtomicBool>,
}

impl Chance {
    fn begin(&self, event: &Recorded<Letters>) -> u8 {
        let mut seen = self.seen.lock().expect("no panic");
        let position = event.position.get();
        let begun = seen.begun.entry(event.stream.clone()).or_default();
        if !begun.contains(&position) {
            begun.push(position);
            let before: Vec<u64> = begun.iter().copied().filter(|other| *other < position).collect();
            let ordered =
                begun.iter().all(|other| *other <= position) && before.iter().all(|other| seen.handled.contains(other));
            assert!(
                ordered,
                "{position} is begun in {}, before what stands in front of it is done",
                event.stream
            );
        }
        let tries = seen.tries.entry(position).or_default();
        *tries += 1;
        let throw = (position as usize * 31 + *tries * 7) % self.dice.len();
        if self.calm.load(Ordering::SeqCst) {
            0
        } else {
            self.dice[throw]
        }
    }

    async fn one(&self, event: &Recorded<Letters>) -> Result<(), HandlerError> {
        let throw = self.begin(event);
        pass(Duration::from_millis(u64::from(throw % 16) * 40)).await;
        match throw {
            0..160 => {
                let mut seen = self.seen.lock().expect("no panic");
                seen.handled.insert(event.position.get());
                seen.settled.insert(event.position.get());
                Ok(())
            }
            160..230 => Err(HandlerError::transient("not now")),
            230..250 => Err(HandlerError::permanent("never")),
            _ => panic!("on purpose"),
        }
    }
}

impl EventHandler for Chance {
    type Log = Post;
    const NAME: &'static str = "chance";
    const TYPES: &'static [&'static str] = &["LetterSent"];

    fn from_settings(_: &Settings) -> Result<Option<Self>, InvalidSetting> {
        Ok(None)
    }

    fn pipeline(&self) -> PipelineConfig {
        PipelineConfig {
            concurrency: 3,
            window: 6,
            ahead: 20,
            batchers: vec![Batcher {
                name: "mail",
                size: 3,
                max_age: Duration::from_millis(300),
                concurrency: 2,
            }],
            retry: Retry {
                tries: 3,
                within: Duration::from_secs(20),
                least: Duration::from_millis(100),
                most: Duration::from_secs(1),
            },
            ..PipelineConfig::default()
        }
    }

    fn batch(&self, event: &Recorded<Letters>) -> Option<BatchKey> {
        match &event.event {
            Letters::Sent { batch: Some((_, key)) } => Some(BatchKey::new("mail", key.as_str())),
            _ => None,
        }
    }

    async fn handle(&self, event: &Recorded<Letters>) -> Result<(), HandlerError> {
        self.one(event).await
    }

    async fn handle_batch(&self, batch: &Batch<Letters>) -> Result<(), BatchError> {
        let mut failed: Vec<(Position, HandlerError)> = Vec::new();
        for event in &batch.events {
            let streams = |position: &Position| {
                batch
                    .events
                    .iter()
                    .any(|other| other.position == *position && other.stream == event.stream)
            };
            if failed.iter().any(|(position, _)| streams(position)) {
                continue;
            }
            if let Err(error) = self.one(event).await {
                failed.push((event.position, error));
            }
        }
        if failed.is_empty() {
            Ok(())
        } else {
            Err(BatchError::Some(failed))
        }
    }
}

/// A store that has trouble, and checks what is stored.
#[derive(Clone)]
struct Checked {
    inner: MemoryEventHandlerStore,
    seen: Arc<Mutex<Seen>>,
    log: MemoryLog,
    /// How many of the next calls fail, half of them after they were done.
    trouble: Arc<AtomicU32>,
}

impl Checked {
    fn troubled(&self) -> Option<bool> {
        let left = self
            .trouble
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.ok().map(|left| left % 2 == 0)
    }

    async fn with_trouble<T>(&self, work: impl Future<Output = Result<T, Source>>) -> Result<T, Source> {
        match self.troubled() {
            Some(true) => {
                work.await?;
                Err("the answer is lost".into())
            }
            Some(false) => Err("it is away".into()),
            None => work.await,
        }
    }
}

impl EventHandlerStore for Checked {
    async fn load(&self) -> Result<Registration, Source> {
        self.with_trouble(self.inner.load()).await
    }

    async fn register(&self, at: Checkpoint) -> Result<(), Source> {
        self.inner.register(at).await
    }

    async fn claim(&self, role: Role, holder: Uuid, wants: bool) -> Result<Claim, Source> {
        self.with_trouble(self.inner.claim(role, holder, wants)).await
    }

    async fn rate(&self) -> Result<Option<EventsPerSecond>, Source> {
        self.with_trouble(self.inner.rate()).await
    }

    async fn release(&self, role: Role, holder: Uuid) -> Result<(), Source> {
        self.inner.release(role, holder).await
    }

    async fn advance(&self, holder: Uuid, from: Checkpoint, to: Checkpoint) -> Result<Moved, Source> {
        let events = self.log.read(Position::START, to.position.get() as usize).await?.events;
        let wanted = events.iter().filter(|event| &*event.event.event_type == "LetterSent");
        {
            let seen = self.seen.lock().expect("no panic");
            for event in wanted {
                let (position, to) = (event.position, to.position);
                let settled = seen.settled.contains(&position.get());
                assert!(settled, "{position} isn't done, and {to} is stored");
            }
        }
        self.with_trouble(self.inner.advance(holder, from, to)).await
    }

    async fn park(&self, holder: Uuid, lane: &ParkLane) -> Result<LaneParked, Source> {
        let parked = self.with_trouble(self.inner.park(holder, lane)).await?;
        if parked == LaneParked::Done {
            let settled = &mut self.seen.lock().expect("no panic").settled;
            settled.extend(lane.events.iter().map(|event| event.position.get()));
        }
        Ok(parked)
    }

    async fn parked(&self) -> Result<Vec<ParkedEvent>, Source> {
        let parked = self.with_trouble(self.inner.parked()).await?;
        let mut seen = self.seen.lock().expect("no panic");
        seen.settled.extend(parked.iter().map(|parked| parked.position.get()));
        Ok(parked)
    }

    async fn count_parked(&self) -> Result<(u64, Position), Source> {
        self.inner.count_parked().await
    }

    async fn unpark(&self, position: Position) -> Result<(), Source> {
        self.inner.unpark(position).await
    }

    async fn note_failed_retry(&self, position: Position, reason: &str) -> Result<(), Source> {
        self.inner.note_failed_retry(position, reason).await
    }

    async fn discard(&self, position: Position, because: &str) -> Result<Option<ParkedEvent>, Source> {
        self.inner.discard(position, because).await
    }

    async fn halt(&self, reason: &str) -> Result<(), Source> {
        self.inner.halt(reason).await
    }
}

#[derive(Debug, Clone)]
enum Step {
    Record { stream: u8, batch: Option<u8> },
    Lost,
    Feed(usize),
    Pass(u16),
    Crash(usize),
    Retry,
    Trouble(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..4_u8, prop::option::of(0..2_u8)).prop_map(|(stream, batch)| Step::Record { stream, batch }),
        1 => Just(Step::Lost),
        4 => (0..2_usize).prop_map(Step::Feed),
        3 => (0..3_000_u16).prop_map(Step::Pass),
        1 => (0..2_usize).prop_map(Step::Crash),
        1 => Just(Step::Retry),
        1 => (1..4_u32).prop_map(Step::Trouble),
    ]
}

type Replica = Runner<EventHandlerSubscriber<Chance, Checked, MemoryLog>, MemoryLog>;

struct World {
    log: MemoryLog,
    handler: Arc<Chance>,
    store: Checked,
    replicas: [Replica; 2],
}

impl World {
    fn new(dice: Vec<u8>) -> Self {
        let (log, seen) = (MemoryLog::new(), Arc::<Mutex<Seen>>::default());
        let handler = Arc::new(Chance {
            seen: seen.clone(),
            dice: Arc::new(dice),
            calm: Arc::default(),
        });
        let store = Checked {
            inner: MemoryEventHandlerStore::new(&log),
            seen,
            log: log.clone(),
            trouble: Arc::default(),
        };
        let replicas = [(); 2].map(|()| replica(&log, &handler, &store));
        Self {
            log,
            handler,
            store,
            replicas,
        }
    }

    fn parking(&self) -> HandlerParking<Chance, Checked, MemoryLog> {
        HandlerParking::new(Some(self.handler.clone()), self.store.clone(), self.log.clone())
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Record { stream, batch } => {
                let batch = batch.map(|key| (scripted::Batcher::Mail, key.to_string()));
                record::<Post>(&self.log, &[(&format!("s{stream}"), Letters::Sent { batch })]).await;
            }
            Step::Lost => record::<Post>(&self.log, &[("s0", Letters::Lost)]).await,
            Step::Feed(who) => {
                let fed = self.replicas[who].catch_up(Lock::Wait);
                drop(tokio::time::timeout(Duration::from_millis(600), fed).await);
            }
            Step::Pass(millis) => pass(Duration::from_millis(millis.into())).await,
            Step::Crash(who) => self.replicas[who] = replica(&self.log, &self.handler, &self.store),
            Step::Retry => drop(self.parking().retry(Selection::All, false).await),
            Step::Trouble(calls) => self.store.trouble.store(calls, Ordering::SeqCst),
        }
    }

    /// Nothing fails any more: everything gets done.
    async fn settle(&mut self) {
        self.store.trouble.store(0, Ordering::SeqCst);
        self.handler.calm.store(true, Ordering::SeqCst);
        let head = self.log.head().await.expect("a head");
        for _ in 0..400 {
            for replica in &mut self.replicas {
                drop(replica.catch_up(Lock::Wait).await);
                drop(replica.look(None).await);
            }
            self.parking()
                .retry(Selection::All, false)
                .await
                .expect("nothing fails");
            let parked = self.store.inner.parked().await.expect("a list").len();
            let stored = self.store.inner.load().await.expect("a read");
            if parked == 0 && stored == Registration::At(head) {
                return;
            }
            pass(Duration::from_millis(500)).await;
        }
        panic!("it never settles: {:?}", self.store.inner.load().await);
    }
}

fn replica(log: &MemoryLog, handler: &Arc<Chance>, store: &Checked) -> Replica {
    Runner::new(
        EventHandlerSubscriber::new(handler.clone(), store.clone(), log.clone()),
        log.clone(),
    )
}

async fn at_least_once(dice: Vec<u8>, steps: Vec<Step>) {
    let mut world = World::new(dice);
    world.replicas[0].start().await.expect("it starts");
    for step in steps {
        world.step(step).await;
    }
    world.settle().await;
    let head = world.log.head().await.expect("a head").position;
    let events = world
        .log
        .read(Position::START, head.get() as usize)
        .await
        .expect("a read")
        .events;
    let wanted = events.iter().filter(|event| &*event.event.event_type == "LetterSent");
    let wanted: BTreeSet<u64> = wanted.map(|event| event.position.get()).collect();
    assert_eq!(
        world.handler.seen.lock().expect("no panic").handled,
        wanted,
        "each at least once, and no other"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn whatever_fails_and_crashes_each_event_is_handled_at_least_once_and_each_stream_in_order(
        dice in prop::collection::vec(any::<u8>(), 8..40),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(at_least_once(dice, steps));
    }
}
