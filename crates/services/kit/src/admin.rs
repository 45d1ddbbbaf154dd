//! What the admin API does in each topology.

mod memory;
mod postgres;

use std::sync::{Arc, OnceLock};

use callboard::parking::Parking;
use callboard::pipeline::EventsPerSecond;
use callboard_http::{AdminError, AdminSubscriber, Administer};
use futures::FutureExt;
use futures::future::BoxFuture;

pub(crate) use memory::MemoryAdmin;
pub(crate) use postgres::PgAdmin;

/// The admin API of a service that may still be starting. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct AdminHandle(Arc<OnceLock<Box<dyn Administer>>>);

impl AdminHandle {
    /// From now on it can be asked.
    pub(crate) fn open(&self, admin: impl Administer) {
        // Opened twice, the first one stays: they would do the same.
        let _ = self.0.set(Box::new(admin));
    }

    fn get(&self) -> Result<&dyn Administer, AdminError> {
        self.0.get().map(|admin| &**admin).ok_or(AdminError::Starting)
    }
}

impl Administer for AdminHandle {
    fn subscribers(&self) -> BoxFuture<'_, Result<Vec<AdminSubscriber>, AdminError>> {
        async { self.get()?.subscribers().await }.boxed()
    }

    fn pause<'a>(&'a self, log: &'a str, name: &'a str, reason: &'a str) -> BoxFuture<'a, Result<(), AdminError>> {
        async move { self.get()?.pause(log, name, reason).await }.boxed()
    }

    fn resume<'a>(&'a self, log: &'a str, name: &'a str) -> BoxFuture<'a, Result<(), AdminError>> {
        async move { self.get()?.resume(log, name).await }.boxed()
    }

    fn order_rate<'a>(
        &'a self,
        log: &'a str,
        name: &'a str,
        rate: Option<EventsPerSecond>,
    ) -> BoxFuture<'a, Result<(), AdminError>> {
        async move { self.get()?.order_rate(log, name, rate).await }.boxed()
    }

    fn cancel_rebuild<'a>(&'a self, log: &'a str, name: &'a str) -> BoxFuture<'a, Result<(), AdminError>> {
        async move { self.get()?.cancel_rebuild(log, name).await }.boxed()
    }

    fn parking(&self, log: &str, name: &str) -> Option<Arc<dyn Parking>> {
        self.get().ok()?.parking(log, name)
    }
}

/// The parked events of this subscriber.
pub(crate) fn find(parkings: &[Arc<dyn Parking>], log: &str, name: &str) -> Option<Arc<dyn Parking>> {
    let mut all = parkings.iter();
    all.find(|parking| parking.log() == log && parking.subscriber() == name)
        .cloned()
}
