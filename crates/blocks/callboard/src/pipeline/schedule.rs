//! Which event is handled when: the whole rule of a pipeline, without a clock, a task or a store.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use tokio::time::Instant;

use super::lanes::Lane;
use super::rate::Bucket;
use super::{BatchKey, Batcher, Failure, PipelineConfig};
use crate::names::{Checkpoint, Position, StreamName};
use crate::parking::Cause;

/// How an event is handled.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Route {
    Alone,
    Batch(BatchKey),
    /// Not at all: it is parked when its turn comes.
    Unfit(Cause, String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// In its lane.
    Waiting,
    /// First of its lane, to be handled as soon as there is a place.
    Ready,
    /// With its batcher.
    Queued,
    Running,
}

/// An event that is taken in and not done.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) stream: StreamName,
    /// What a checkpoint in front of it holds.
    before: Checkpoint,
    pub(super) route: Route,
    pub(super) state: State,
    pub(super) tries: u32,
    pub(super) first_try: Option<Instant>,
    /// To be tried without the others of its batch, to find out which one is at fault.
    pub(super) apart: bool,
}

/// What waits for one batch key.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) waiting: VecDeque<Position>,
    /// Since when the first one waits.
    since: Instant,
    running: bool,
}

/// Something to handle now.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Work {
    pub(super) positions: Vec<Position>,
    /// The batch that it is; `None` for an event alone.
    pub(super) batch: Option<BatchKey>,
}

/// Events that were taken in, and what may be done with each.
#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) config: PipelineConfig,
    /// How far events were taken in.
    taken: Checkpoint,
    pub(super) items: BTreeMap<Position, Item>,
    pub(super) lanes: HashMap<StreamName, Lane>,
    /// Streams with parked events, each with its highest one.
    pub(super) blocked: HashMap<StreamName, Position>,
    pub(super) ready: VecDeque<Position>,
    pub(super) queues: BTreeMap<BatchKey, Queue>,
    /// Lanes that wait before their next try.
    pub(super) backing_off: BTreeSet<(Instant, StreamName)>,
    /// Lanes with something to park.
    pub(super) to_park: VecDeque<StreamName>,
    alone_running: usize,
    batches_running: HashMap<&'static str, usize>,
}

impl Schedule {
    pub(super) fn new(config: PipelineConfig, at: Checkpoint, blocked: HashMap<StreamName, Position>) -> Self {
        Self {
            config,
            taken: at,
            blocked,
            items: BTreeMap::new(),
            lanes: HashMap::new(),
            ready: VecDeque::new(),
            queues: BTreeMap::new(),
            backing_off: BTreeSet::new(),
            to_park: VecDeque::new(),
            alone_running: 0,
            batches_running: HashMap::new(),
        }
    }

    /// How far events were taken in.
    pub(super) fn taken(&self) -> Checkpoint {
        self.taken
    }

    /// The checkpoint up to which everything is done.
    pub(super) fn checkpoint(&self) -> Checkpoint {
        let first = self.items.values().next();
        first.map_or(self.taken, |item| item.before)
    }

    /// Whether one more event may be taken in.
    pub(super) fn has_room(&self) -> bool {
        let ahead = self.taken.position.get() - self.checkpoint().position.get();
        self.items.len() < self.config.window.max(1) && ahead < self.config.ahead.max(1)
    }

    /// How many tries are under way.
    pub(super) fn running(&self) -> usize {
        self.alone_running + self.batches_running.values().sum::<usize>()
    }

    /// Takes the next event of the log, which needs no handling.
    pub(super) fn skip(&mut self, event: Checkpoint) {
        self.taken = event;
    }

    /// Takes the next event of the log; false when it was parked, or done, in an earlier life.
    pub(super) fn take(&mut self, event: Checkpoint, stream: &StreamName, route: Route, now: Instant) -> bool {
        let before = std::mem::replace(&mut self.taken, event);
        if self
            .blocked
            .get(stream)
            .is_some_and(|highest| event.position <= *highest)
        {
            return false;
        }
        let item = Item {
            stream: stream.clone(),
            before,
            route,
            state: State::Waiting,
            tries: 0,
            first_try: None,
            apart: false,
        };
        self.items.insert(event.position, item);
        self.lanes
            .entry(stream.clone())
            .or_default()
            .events
            .push_back(event.position);
        self.bring_on(stream, now);
        true
    }

    pub(super) fn enqueue(&mut self, position: Position, key: BatchKey, now: Instant) {
        let queue = self.queues.entry(key).or_insert_with(|| Queue {
            waiting: VecDeque::new(),
            since: now,
            running: false,
        });
        if queue.waiting.is_empty() {
            queue.since = now;
        }
        queue.waiting.push_back(position);
    }

    /// The next thing to handle, the oldest event first, if anything may be begun now.
    pub(super) fn start(&mut self, rate: &mut Bucket, now: Instant) -> Option<Work> {
        while let Some((until, stream)) = self.backing_off.first().cloned() {
            if until > now {
                break;
            }
            self.backing_off.pop_first();
            self.bring_on(&stream, now);
        }
        let work = self.next(now)?;
        if rate.ready_at(work.positions.len(), now) > now {
            return None;
        }
        rate.take(work.positions.len());
        self.begin(&work, now);
        Some(work)
    }

    /// The oldest thing that has a place now.
    fn next(&self, now: Instant) -> Option<Work> {
        let alone = self.ready.front().copied();
        let alone = alone.filter(|_| self.alone_running < self.config.concurrency.max(1));
        let due = self
            .queues
            .iter()
            .filter(|(key, queue)| self.due_at(key, queue).is_some_and(|due| due <= now));
        let batch = due.min_by_key(|(_, queue)| queue.waiting.front());
        match (alone, batch) {
            (Some(position), batch) if batch.is_none_or(|(_, queue)| Some(&position) < queue.waiting.front()) => {
                Some(Work {
                    positions: vec![position],
                    batch: None,
                })
            }
            (_, Some((key, queue))) => Some(Work {
                positions: self.batch_of(key, queue),
                batch: Some(key.clone()),
            }),
            _ => None,
        }
    }

    /// When a batch may begin; `None` while it has to wait for others to end.
    fn due_at(&self, key: &BatchKey, queue: &Queue) -> Option<Instant> {
        let batcher = self.batcher(key)?;
        let first = queue.waiting.front()?;
        let running = self.batches_running.get(key.batcher).copied().unwrap_or(0);
        if queue.running || running >= batcher.concurrency.max(1) {
            return None;
        }
        let full = queue.waiting.len() >= batcher.size.max(1) || self.items.get(first).is_some_and(|item| item.apart);
        Some(if full {
            queue.since
        } else {
            queue.since + batcher.max_age
        })
    }

    fn batch_of(&self, key: &BatchKey, queue: &Queue) -> Vec<Position> {
        let size = self.batcher(key).map_or(1, |batcher| batcher.size.max(1));
        let apart = |position: &Position| self.items.get(position).is_some_and(|item| item.apart);
        let together = queue.waiting.iter().take_while(|position| !apart(position)).take(size);
        let together: Vec<Position> = together.copied().collect();
        if together.is_empty() {
            queue.waiting.front().copied().into_iter().collect()
        } else {
            together
        }
    }

    pub(super) fn batcher(&self, key: &BatchKey) -> Option<&Batcher> {
        self.config.batchers.iter().find(|batcher| batcher.name == key.batcher)
    }

    fn begin(&mut self, work: &Work, now: Instant) {
        match &work.batch {
            None => {
                self.ready.pop_front();
                self.alone_running += 1;
            }
            Some(key) => {
                let queue = self.queues.get_mut(key).expect("the work came from it");
                queue.waiting.drain(..work.positions.len());
                queue.running = true;
                queue.since = now;
                *self.batches_running.entry(key.batcher).or_default() += 1;
            }
        }
        for position in &work.positions {
            let item = self
                .items
                .get_mut(position)
                .expect("what is ready or queued isn't done");
            item.state = State::Running;
            item.first_try.get_or_insert(now);
        }
    }

    /// When something becomes due by the mere passing of time.
    pub(super) fn wakes_at(&self, rate: &mut Bucket, now: Instant) -> Option<Instant> {
        let lane = self.backing_off.first().map(|(until, _)| *until);
        let batches = self.queues.iter().filter_map(|(key, queue)| self.due_at(key, queue));
        let batch = batches.filter(|due| *due > now).min();
        let by_rate = self.next(now).map(|work| rate.ready_at(work.positions.len(), now));
        [lane, batch, by_rate].into_iter().flatten().min()
    }

    /// Takes note of what became of some work: all of it is done but `failed`, which are in order.
    pub(super) fn finish(&mut self, work: &Work, failed: Vec<(Position, Failure)>, now: Instant, jitter: f64) {
        match &work.batch {
            None => self.alone_running -= 1,
            Some(key) => {
                if let Some(running) = self.batches_running.get_mut(key.batcher) {
                    *running -= 1;
                }
                if let Some(queue) = self.queues.get_mut(key) {
                    queue.running = false;
                }
            }
        }
        let mut failed: HashMap<Position, Failure> = failed.into_iter().collect();
        let mut behind: BTreeSet<StreamName> = BTreeSet::new();
        let mut streams: BTreeSet<StreamName> = BTreeSet::new();
        for position in &work.positions {
            let stream = self.items[position].stream.clone();
            if behind.contains(&stream) {
                // Whatever it came to, it comes again behind the one that failed.
                self.back_into_lane(*position);
            } else if let Some(failure) = failed.remove(position) {
                self.failed(*position, failure, work.positions.len(), now, jitter);
                behind.insert(stream.clone());
            } else {
                self.done(*position);
            }
            streams.insert(stream);
        }
        if let Some(key) = &work.batch
            && self
                .queues
                .get(key)
                .is_some_and(|queue| queue.waiting.is_empty() && !queue.running)
        {
            self.queues.remove(key);
        }
        for stream in streams {
            self.bring_on(&stream, now);
        }
    }
}
