//! Views in memory, kept by the very same folds.

use std::any::{Any, TypeId};
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use super::lock;
use crate::event::Recorded;
use crate::names::{Checkpoint, Position};
use crate::projection::{EventOf, Projection, fold, keys_of};
use crate::subscription::{Applied, Lock, Subscriber, SubscriberError, Verdict, judge};
use crate::view::{Page, View, ViewError, ViewStore, Views};

/// A projection with its rows and checkpoint in memory; clones share them. It is both the
/// subscriber that keeps the view and the store that queries read.
pub struct MemoryProjection<P: Projection> {
    table: Arc<Table<P>>,
}

struct Table<P: Projection> {
    rows: Mutex<BTreeMap<P::Key, P::Row>>,
    checkpoint: watch::Sender<Checkpoint>,
    halted: Mutex<Option<String>>,
}

impl<P: Projection> Clone for MemoryProjection<P> {
    fn clone(&self) -> Self {
        Self {
            table: self.table.clone(),
        }
    }
}

impl<P: Projection> Default for MemoryProjection<P> {
    fn default() -> Self {
        Self {
            table: Arc::new(Table {
                rows: Mutex::default(),
                checkpoint: watch::Sender::new(Checkpoint::START),
                halted: Mutex::default(),
            }),
        }
    }
}

impl<P: Projection> MemoryProjection<P> {
    /// An empty view before the first event.
    pub fn new() -> Self {
        Self::default()
    }

    fn stored(&self) -> Result<Checkpoint, SubscriberError> {
        match &*lock(&self.table.halted) {
            Some(reason) => Err(SubscriberError::StandBy {
                subscriber: P::NAME,
                reason: reason.clone(),
            }),
            None => Ok(*self.table.checkpoint.borrow()),
        }
    }
}

impl<P: Projection> Subscriber for MemoryProjection<P> {
    type Log = P::Log;

    fn name(&self) -> &'static str {
        P::NAME
    }

    async fn start(&mut self) -> Result<Checkpoint, SubscriberError> {
        self.stored()
    }

    async fn checkpoint(&mut self) -> Result<Checkpoint, SubscriberError> {
        self.stored()
    }

    async fn apply(&mut self, events: &[Recorded<EventOf<P>>], _lock: Lock) -> Result<Applied, SubscriberError> {
        // The rows' lock stands for the checkpoint's row lock.
        let mut rows = lock(&self.table.rows);
        let mut at = self.stored()?;
        let from = at;
        let new = events
            .iter()
            .position(|event| judge(at, event) != Verdict::Duplicate)
            .unwrap_or(events.len());
        let fresh = &events[new..];
        for event in fresh {
            if judge(at, event) != Verdict::Next {
                return Ok(Applied::NotNext { checkpoint: from });
            }
            at = event.checkpoint();
        }
        let permanent = |panic: crate::projection::FoldPanic| SubscriberError::Permanent {
            subscriber: P::NAME,
            position: panic.position,
            source: Box::new(panic),
        };
        let keys = keys_of::<P>(fresh).map_err(permanent)?;
        let before: HashMap<_, _> = keys
            .into_iter()
            .filter_map(|key| rows.get(&key).cloned().map(|row| (key, row)))
            .collect();
        for (key, row) in fold::<P>(before, fresh).map_err(permanent)? {
            match row {
                Some(row) => rows.insert(key, row),
                None => rows.remove(&key),
            };
        }
        self.table.checkpoint.send_replace(at);
        Ok(Applied::Moved {
            checkpoint: at,
            events: fresh.len(),
        })
    }

    async fn halt(&mut self, reason: &str) -> Result<(), SubscriberError> {
        *lock(&self.table.halted) = Some(reason.to_owned());
        Ok(())
    }
}

impl<P: Projection> ViewStore<P> for MemoryProjection<P> {
    fn get<'a>(&'a self, key: &'a P::Key) -> BoxFuture<'a, Result<Option<P::Row>, ViewError>> {
        async move { Ok(lock(&self.table.rows).get(key).cloned()) }.boxed()
    }

    fn page<'a>(&'a self, page: &'a Page) -> BoxFuture<'a, Result<Vec<P::Row>, ViewError>> {
        async move {
            let rows = lock(&self.table.rows);
            let mut matching: Vec<(Value, &P::Row)> = rows
                .values()
                .map(|row| (serde_json::to_value(row).unwrap_or_default(), row))
                .filter(|(value, _)| {
                    page.equal
                        .iter()
                        .all(|(column, wanted)| value.get(column) == Some(wanted))
                })
                .collect();
            let cursor = |value: &Value| -> Vec<Value> {
                page.order_by
                    .iter()
                    .chain(P::KEY)
                    .map(|column| value[*column].clone())
                    .collect()
            };
            matching.sort_by(|(a, _), (b, _)| compare_all(&cursor(a), &cursor(b)));
            Ok(matching
                .into_iter()
                .filter(|(value, _)| {
                    page.after
                        .as_ref()
                        .is_none_or(|after| compare_all(&cursor(value), after) == Ordering::Greater)
                })
                .take(page.limit)
                .map(|(_, row)| row.clone())
                .collect())
        }
        .boxed()
    }

    fn position(&self) -> BoxFuture<'_, Result<Position, ViewError>> {
        async move { Ok(self.table.checkpoint.borrow().position) }.boxed()
    }

    fn wait_for(&self, position: Position, deadline: Instant) -> BoxFuture<'_, Result<Position, ViewError>> {
        async move {
            let mut checkpoint = self.table.checkpoint.subscribe();
            let reached = checkpoint.wait_for(|checkpoint| checkpoint.position >= position);
            // Late or not, what counts is where it stands now.
            let _ = tokio::time::timeout_at(deadline, reached).await;
            Ok(self.table.checkpoint.borrow().position)
        }
        .boxed()
    }
}

fn compare_all(a: &[Value], b: &[Value]) -> Ordering {
    a.iter()
        .zip(b)
        .map(|(a, b)| compare(a, b))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// The order that the database has: numbers by size, text by its bytes.
fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i128(), b.as_i128()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal),
        },
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        _ => Ordering::Equal,
    }
}

/// The views of an embedded process, by projection.
#[derive(Default)]
pub struct MemoryViews {
    views: Mutex<HashMap<TypeId, Box<dyn Any + Send>>>,
}

impl MemoryViews {
    /// No views yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The projection `P` of this process, made on the first call.
    pub fn projection<P: Projection>(&self) -> MemoryProjection<P> {
        lock(&self.views)
            .entry(TypeId::of::<P>())
            .or_insert_with(|| Box::new(MemoryProjection::<P>::new()))
            .downcast_ref::<MemoryProjection<P>>()
            .expect("views are kept under their own type")
            .clone()
    }
}

impl Views for MemoryViews {
    fn view<P: Projection>(&self) -> View<P> {
        Arc::new(self.projection::<P>())
    }
}
