//! The admin API on Postgres: whatever process is asked, it deals with every subscriber of its logs.

use std::sync::Arc;

use callboard::parking::Parking;
use callboard::pipeline::EventsPerSecond;
use callboard_http::{AdminError, AdminSubscriber, Administer};
use callboard_postgres::{
    Database, PostgresError, Rebuildable, SubscriberStatus, cancel_rebuild, order_handler_rate, pause_subscriber,
    resume_subscriber, status,
};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::find;
use crate::contexts::LOGS;
use crate::handlers::HandlerSettings;
use crate::operator::{parkings, projections};
use crate::watched::{Watched, mode};

/// What stands in a database.
pub(crate) struct PgAdmin {
    database: Database,
    watched: Watched,
    parkings: Vec<Arc<dyn Parking>>,
    projections: Vec<Rebuildable>,
    /// How projections run here that nobody watches.
    unwatched: Option<&'static str>,
}

impl PgAdmin {
    /// For a process that runs some of its subscribers, or none.
    pub(crate) async fn new(
        database: &Database,
        watched: &Watched,
        handlers: &HandlerSettings,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            database: database.clone(),
            watched: watched.clone(),
            parkings: parkings(database, handlers).await?,
            projections: projections().await?,
            unwatched: None,
        })
    }

    /// For a process that folds its projections inline.
    pub(crate) async fn inline(
        database: &Database,
        watched: &Watched,
        handlers: &HandlerSettings,
    ) -> anyhow::Result<Self> {
        let admin = Self::new(database, watched, handlers).await?;
        Ok(Self {
            unwatched: Some("inline"),
            ..admin
        })
    }

    fn mode(&self, log: &str, subscriber: &SubscriberStatus) -> Option<&'static str> {
        let watched = self.watched.statuses();
        let mut watched = watched.iter();
        let found = watched.find(|(watched, _)| watched.log == log && watched.name == subscriber.name);
        let unwatched = self.unwatched.filter(|_| subscriber.kind == "projection");
        found.map(|(_, status)| mode(&status.mode)).or(unwatched)
    }

    async fn read(&self) -> Result<Vec<AdminSubscriber>, AdminError> {
        let logs = status(self.database.queries()).await.map_err(admin_error)?;
        let mut subscribers = Vec::new();
        for log in logs.into_iter().filter(|log| LOGS.contains(&&*log.log)) {
            subscribers.extend(log.subscribers.into_iter().map(|subscriber| AdminSubscriber {
                log: log.log.clone(),
                mode: self.mode(&log.log, &subscriber),
                name: subscriber.name,
                kind: subscriber.kind,
                state: subscriber.state,
                reason: subscriber.reason,
                checkpoint: subscriber.checkpoint,
                lag_events: subscriber.lag_events,
                parked: subscriber.parked,
                events_per_second: subscriber.events_per_second,
            }));
        }
        Ok(subscribers)
    }
}

fn admin_error(error: PostgresError) -> AdminError {
    match error {
        PostgresError::NoSubscriber { .. } => AdminError::NoSubscriber,
        refused @ PostgresError::Refused { .. } => AdminError::Refused(format!("{refused}.")),
        error => AdminError::Unavailable(error.into()),
    }
}

impl Administer for PgAdmin {
    fn subscribers(&self) -> BoxFuture<'_, Result<Vec<AdminSubscriber>, AdminError>> {
        self.read().boxed()
    }

    fn pause<'a>(&'a self, log: &'a str, name: &'a str, reason: &'a str) -> BoxFuture<'a, Result<(), AdminError>> {
        async move {
            let paused = pause_subscriber(&self.database, log, name, reason).await;
            paused.map_err(admin_error)
        }
        .boxed()
    }

    fn resume<'a>(&'a self, log: &'a str, name: &'a str) -> BoxFuture<'a, Result<(), AdminError>> {
        async move { resume_subscriber(&self.database, log, name).await.map_err(admin_error) }.boxed()
    }

    fn order_rate<'a>(
        &'a self,
        log: &'a str,
        name: &'a str,
        rate: Option<EventsPerSecond>,
    ) -> BoxFuture<'a, Result<(), AdminError>> {
        async move {
            let ordered = order_handler_rate(&self.database, log, name, rate).await;
            ordered.map_err(admin_error)
        }
        .boxed()
    }

    fn cancel_rebuild<'a>(&'a self, log: &'a str, name: &'a str) -> BoxFuture<'a, Result<(), AdminError>> {
        async move {
            let mut all = self.projections.iter();
            let found = all.find(|projection| (projection.log, projection.name) == (log, name));
            let never = || AdminError::Refused(format!("{log}.{name} is no projection: it is never rebuilt."));
            let projection = found.ok_or_else(never)?;
            let cancelled = cancel_rebuild(&self.database, *projection, true).await;
            cancelled.map(drop).map_err(admin_error)
        }
        .boxed()
    }

    fn parking(&self, log: &str, name: &str) -> Option<Arc<dyn Parking>> {
        find(&self.parkings, log, name)
    }
}
