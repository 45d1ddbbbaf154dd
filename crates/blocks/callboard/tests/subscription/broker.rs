//! A broker that does what a test planned.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::{Arc, Mutex};

use callboard::subscription::{Connect, Delivery, Feed, FeedError, Foreign};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// What the next connection does.
pub enum Plan {
    /// It can't be made.
    Refused,
    /// It can't be made, though the broker answers.
    Suspected,
    /// It is never made.
    Hangs,
    /// It delivers this and then dies.
    Dies(Vec<Delivery>),
    /// It delivers this and then nothing any more.
    Silent(Vec<Delivery>),
    /// It delivers this and dies while it is settled.
    Unsettled(Vec<Delivery>),
}

#[derive(Clone, Default)]
pub struct Broker {
    plans: Arc<Mutex<VecDeque<Plan>>>,
    /// When each connection was tried.
    tried: Arc<Mutex<Vec<Instant>>>,
    pub settled: Arc<Mutex<Vec<Vec<Foreign>>>>,
    /// What a silent feed delivers after all.
    later: Arc<(Mutex<Vec<Delivery>>, Notify)>,
    /// Told when a feed is dropped.
    pub dropped: Arc<Mutex<Option<oneshot::Sender<()>>>>,
}

pub struct Planned {
    broker: Broker,
    delivers: Vec<Delivery>,
    dies: bool,
    settles: bool,
}

fn lost() -> FeedError {
    FeedError {
        feed: "planned".into(),
        source: "it dies".into(),
        soon: false,
    }
}

impl Broker {
    pub fn new(plans: impl IntoIterator<Item = Plan>) -> Self {
        let broker = Self::default();
        broker.plans.lock().expect("no panic").extend(plans);
        broker
    }

    /// Delivers this now.
    pub fn deliver(&self, deliveries: Vec<Delivery>) {
        self.later.0.lock().expect("no panic").extend(deliveries);
        self.later.1.notify_one();
    }

    pub fn tried(&self) -> Vec<Instant> {
        self.tried.lock().expect("no panic").clone()
    }
}

impl Connect for Broker {
    type Feed = Planned;

    /// Without a plan it connects and stays silent.
    async fn connect(&mut self) -> Result<Planned, FeedError> {
        self.tried.lock().expect("no panic").push(Instant::now());
        let plan = self.plans.lock().expect("no panic").pop_front();
        let (delivers, dies, settles) = match plan.unwrap_or(Plan::Silent(Vec::new())) {
            Plan::Refused => return Err(lost()),
            Plan::Suspected => return Err(FeedError { soon: true, ..lost() }),
            Plan::Hangs => return pending().await,
            Plan::Dies(delivers) => (delivers, true, true),
            Plan::Silent(delivers) => (delivers, false, true),
            Plan::Unsettled(delivers) => (delivers, true, false),
        };
        Ok(Planned {
            broker: self.clone(),
            delivers,
            dies,
            settles,
        })
    }
}

impl Feed for Planned {
    async fn next(&mut self) -> Result<Vec<Delivery>, FeedError> {
        if !self.delivers.is_empty() {
            return Ok(std::mem::take(&mut self.delivers));
        }
        if self.dies {
            return Err(lost());
        }
        loop {
            let arrived = self.broker.later.1.notified();
            let later = std::mem::take(&mut *self.broker.later.0.lock().expect("no panic"));
            if !later.is_empty() {
                return Ok(later);
            }
            arrived.await;
        }
    }

    async fn settle(&mut self, foreign: &[Foreign]) -> Result<(), FeedError> {
        if !self.settles {
            return Err(lost());
        }
        self.broker.settled.lock().expect("no panic").push(foreign.to_vec());
        Ok(())
    }
}

impl Drop for Planned {
    fn drop(&mut self) {
        if let Some(told) = self.broker.dropped.lock().expect("no panic").take() {
            let _ = told.send(());
        }
    }
}
