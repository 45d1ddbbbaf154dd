//! Views in memory, kept by the very same folds.

use std::any::{Any, TypeId};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::future::ready;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::time::Instant;

use super::{MemoryProjection, lock};
use crate::event::Log;
use crate::log::Source;
use crate::names::Position;
use crate::parking::{ParkedEvent, Parking, Retried};
use crate::projection::Projection;
use crate::view::{Page, Standing, View, ViewError, ViewStore, Views};

impl<P: Projection> MemoryProjection<P> {
    fn stands(&self) -> Standing {
        // The position first: what was parked up to there is seen then.
        let position = self.table.checkpoint.borrow().position;
        let parked = lock(&self.table.state).parked.len() as u64;
        Standing { position, parked }
    }
}

impl<P: Projection> ViewStore<P> for MemoryProjection<P> {
    fn get<'a>(&'a self, key: &'a P::Key) -> BoxFuture<'a, Result<Option<P::Row>, ViewError>> {
        async move { Ok(lock(&self.table.state).rows.get(key).cloned()) }.boxed()
    }

    fn page<'a>(&'a self, page: &'a Page) -> BoxFuture<'a, Result<Vec<P::Row>, ViewError>> {
        async move {
            let state = lock(&self.table.state);
            let mut matching: Vec<(Value, &P::Row)> = state
                .rows
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

    fn standing(&self) -> BoxFuture<'_, Result<Standing, ViewError>> {
        async move { Ok(self.stands()) }.boxed()
    }

    fn wait_for(&self, position: Position, deadline: Instant) -> BoxFuture<'_, Result<Standing, ViewError>> {
        async move {
            let mut checkpoint = self.table.checkpoint.subscribe();
            let reached = checkpoint.wait_for(|checkpoint| checkpoint.position >= position);
            // Late or not, what counts is where it stands now.
            let _ = tokio::time::timeout_at(deadline, reached).await;
            Ok(self.stands())
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

impl<P: Projection> Parking for MemoryProjection<P> {
    fn log(&self) -> &'static str {
        P::Log::NAME
    }

    fn subscriber(&self) -> &'static str {
        P::NAME
    }

    fn parked(&self) -> BoxFuture<'_, Result<Vec<ParkedEvent>, Source>> {
        ready(Ok(lock(&self.table.state).parked())).boxed()
    }

    fn replay<'a>(&'a self, group: &'a [&'a ParkedEvent], dry_run: bool) -> BoxFuture<'a, Result<Retried, Source>> {
        ready(Ok(self.replay_group(group[0].position, dry_run))).boxed()
    }

    fn give_up<'a>(&'a self, at: Position, _reason: &'a str) -> BoxFuture<'a, Result<Option<ParkedEvent>, Source>> {
        let given_up = lock(&self.table.state).parked.remove(&at);
        ready(Ok(given_up.map(|kept| kept.parked))).boxed()
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
