//! The admin API in memory.

use std::sync::Arc;

use callboard::memory::{Gate, MemoryEventHandlerStore};
use callboard::parking::Parking;
use callboard::pipeline::EventsPerSecond;
use callboard_http::{AdminError, AdminSubscriber, Administer};
use futures::FutureExt;
use futures::future::{BoxFuture, ready};

use super::find;
use crate::watched::{Watched, mode};

/// What lives in this process alone.
#[derive(Default)]
pub(crate) struct MemoryAdmin {
    pub(crate) watched: Watched,
    pub(crate) gates: Vec<(&'static str, &'static str, Gate)>,
    pub(crate) handlers: Vec<(&'static str, &'static str, MemoryEventHandlerStore)>,
    pub(crate) parkings: Vec<Arc<dyn Parking>>,
}

impl MemoryAdmin {
    fn gate(&self, log: &str, name: &str) -> Result<&Gate, AdminError> {
        let mut gates = self.gates.iter();
        let found = gates.find(|(of, named, _)| *of == log && *named == name);
        found.map(|(_, _, gate)| gate).ok_or(AdminError::NoSubscriber)
    }

    fn handler(&self, log: &str, name: &str) -> Option<&MemoryEventHandlerStore> {
        let mut handlers = self.handlers.iter();
        let found = handlers.find(|(of, named, _)| *of == log && *named == name);
        found.map(|(_, _, store)| store)
    }

    async fn read(&self) -> Result<Vec<AdminSubscriber>, AdminError> {
        let mut subscribers = Vec::new();
        for (watched, status) in self.watched.statuses() {
            let (state, reason) = self.gate(watched.log, watched.name)?.state();
            let parked = match find(&self.parkings, watched.log, watched.name) {
                Some(parking) => parking.list().await,
                None => Ok(Vec::new()),
            };
            let parked = parked.map_err(|error| AdminError::Unavailable(error.into()))?;
            subscribers.push(AdminSubscriber {
                log: watched.log.into(),
                name: watched.name.into(),
                kind: watched.kind.into(),
                state: state.into(),
                reason,
                mode: Some(mode(&status.mode)),
                checkpoint: Some(status.checkpoint.position),
                lag_events: status.lag_events(),
                parked: parked.len() as u64,
                events_per_second: self
                    .handler(watched.log, watched.name)
                    .and_then(MemoryEventHandlerStore::ordered_rate),
            });
        }
        subscribers.sort_by(|one, other| (&one.log, &one.name).cmp(&(&other.log, &other.name)));
        Ok(subscribers)
    }
}

impl Administer for MemoryAdmin {
    fn subscribers(&self) -> BoxFuture<'_, Result<Vec<AdminSubscriber>, AdminError>> {
        self.read().boxed()
    }

    fn pause<'a>(&'a self, log: &'a str, name: &'a str, reason: &'a str) -> BoxFuture<'a, Result<(), AdminError>> {
        ready(self.gate(log, name).map(|gate| gate.pause(reason))).boxed()
    }

    fn resume<'a>(&'a self, log: &'a str, name: &'a str) -> BoxFuture<'a, Result<(), AdminError>> {
        ready(self.gate(log, name).map(Gate::resume)).boxed()
    }

    fn order_rate<'a>(
        &'a self,
        log: &'a str,
        name: &'a str,
        rate: Option<EventsPerSecond>,
    ) -> BoxFuture<'a, Result<(), AdminError>> {
        let store = self.handler(log, name).ok_or(AdminError::NoSubscriber);
        ready(store.map(|store| store.order_rate(rate))).boxed()
    }

    fn cancel_rebuild<'a>(&'a self, log: &'a str, name: &'a str) -> BoxFuture<'a, Result<(), AdminError>> {
        let refused = || AdminError::Refused("Nothing in memory is ever rebuilt: it is built with each start.".into());
        ready(self.gate(log, name).and_then(|_| Err(refused()))).boxed()
    }

    fn parking(&self, log: &str, name: &str) -> Option<Arc<dyn Parking>> {
        find(&self.parkings, log, name)
    }
}
