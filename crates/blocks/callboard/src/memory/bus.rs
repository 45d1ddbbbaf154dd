//! A feed in memory: bounded queues, one per subscriber, filled by the writer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::lock;
use crate::event::Recorded;
use crate::subscription::{BATCH_MAX_EVENTS, Connect, Delivery, Feed, FeedError, Foreign};
use crate::writer::Tap;

/// What a queue holds at most; then its oldest events are dropped, and read from the log.
const QUEUE_MAX_EVENTS: usize = 10_000;

#[derive(Default)]
struct Queue {
    waiting: Mutex<VecDeque<Recorded>>,
    arrived: Notify,
}

/// Hands the writer's fresh events to queues in this process. Clones share it.
#[derive(Clone, Default)]
pub struct MemoryBus {
    queues: Arc<Mutex<Vec<Arc<Queue>>>>,
}

impl MemoryBus {
    /// A bus without queues.
    pub fn new() -> Self {
        Self::default()
    }

    /// A queue for one subscriber. It keeps what isn't settled, also while no feed is connected.
    pub fn queue(&self) -> MemoryConnect {
        let queue = Arc::new(Queue::default());
        lock(&self.queues).push(queue.clone());
        MemoryConnect { queue }
    }
}

impl Tap for MemoryBus {
    fn recorded(&self, events: &Arc<[Recorded]>) {
        for queue in lock(&self.queues).iter() {
            let mut waiting = lock(&queue.waiting);
            waiting.extend(events.iter().cloned());
            let surplus = waiting.len().saturating_sub(QUEUE_MAX_EVENTS);
            waiting.drain(..surplus);
            drop(waiting);
            queue.arrived.notify_one();
        }
    }
}

/// Connects to one queue of a [`MemoryBus`].
pub struct MemoryConnect {
    queue: Arc<Queue>,
}

impl Connect for MemoryConnect {
    type Feed = MemoryFeed;

    async fn connect(&mut self) -> Result<MemoryFeed, FeedError> {
        Ok(MemoryFeed {
            queue: self.queue.clone(),
            unsettled: Vec::new(),
        })
    }
}

/// A connected queue of a [`MemoryBus`].
pub struct MemoryFeed {
    queue: Arc<Queue>,
    unsettled: Vec<Recorded>,
}

impl Feed for MemoryFeed {
    async fn next(&mut self) -> Result<Vec<Delivery>, FeedError> {
        loop {
            // Armed before the look, so that no wake-up falls between.
            let arrived = self.queue.arrived.notified();
            {
                let mut waiting = lock(&self.queue.waiting);
                if !waiting.is_empty() {
                    let count = waiting.len().min(BATCH_MAX_EVENTS);
                    self.unsettled = waiting.drain(..count).collect();
                    return Ok(self
                        .unsettled
                        .iter()
                        .cloned()
                        .map(|event| Delivery { event: Ok(event) })
                        .collect());
                }
            }
            arrived.await;
        }
    }

    async fn settle(&mut self, foreign: &[Foreign]) -> Result<(), FeedError> {
        for foreign in foreign {
            tracing::error!(reason = foreign.reason, "the bus held an event that isn't the log's");
        }
        self.unsettled.clear();
        Ok(())
    }
}

impl Drop for MemoryFeed {
    /// What wasn't settled is delivered again.
    fn drop(&mut self) {
        let mut waiting = lock(&self.queue.waiting);
        for event in self.unsettled.drain(..).rev() {
            waiting.push_front(event);
        }
        drop(waiting);
        self.queue.arrived.notify_one();
    }
}
