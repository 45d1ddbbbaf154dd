//! Connections that work borrows, with nothing sent before a statement or behind it.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::database::connect;
use crate::error::spares_connection;

/// After such a pause a connection is tried before it is trusted.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// After such a pause it is closed instead: what a burst opened is given back.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// Keeps connections between pieces of work that each end in a known state.
///
/// A pool pings each connection that comes back, and would have to roll back on it as well, since a
/// `begin()` whose future was dropped leaves its transaction open (sqlx#4385): two round trips for
/// every statement. Here whoever takes a connection owns it, and gives it back only after work that
/// ended well: if the owner's future is dropped, the connection is closed with it, and the server
/// ends what was open.
#[derive(Clone)]
pub(crate) struct Links(Arc<Inner>);

struct Inner {
    options: PgConnectOptions,
    timeout: Duration,
    /// The most connections.
    most: usize,
    places: Arc<Semaphore>,
    kept: Mutex<Vec<(PgConnection, Instant)>>,
}

/// A connection that was taken. Dropped without [`Linked::keep`], it is closed.
pub(crate) struct Linked {
    connection: PgConnection,
    links: Links,
    _place: OwnedSemaphorePermit,
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Links")
    }
}

impl Links {
    /// At most so many connections with these options; `timeout` is for getting one.
    pub(crate) fn new(options: PgConnectOptions, most: u32, timeout: Duration) -> Self {
        Self(Arc::new(Inner {
            options,
            timeout,
            most: most as usize,
            places: Arc::new(Semaphore::new(most as usize)),
            kept: Mutex::default(),
        }))
    }

    /// The connection that was kept last if it is good, else a fresh one.
    ///
    /// # Errors
    /// [`sqlx::Error::PoolTimedOut`] when all are taken or none can be opened within the timeout, and
    /// whatever the server answers instead.
    pub(crate) async fn take(&self) -> Result<Linked, sqlx::Error> {
        let place = tokio::time::timeout(self.0.timeout, self.0.places.clone().acquire_owned());
        let place = place.await.map_err(|_| sqlx::Error::PoolTimedOut)?;
        self.linked(place.map_err(|_| sqlx::Error::PoolClosed)?).await
    }

    /// As [`Links::take`], for work that holds it for long and may as well not be done: `None` where less than
    /// half of them, or none, would be left for all else.
    ///
    /// # Errors
    /// As [`Links::take`].
    pub(crate) async fn take_spare(&self) -> Result<Option<Linked>, sqlx::Error> {
        // Together with as many as must stay, so that two that ask at once never both take the last one.
        let left = self.0.most.div_ceil(2);
        let all = u32::try_from(left + 1).unwrap_or(u32::MAX);
        let Ok(mut place) = self.0.places.clone().try_acquire_many_owned(all) else {
            return Ok(None);
        };
        drop(place.split(left));
        self.linked(place).await.map(Some)
    }

    async fn linked(&self, place: OwnedSemaphorePermit) -> Result<Linked, sqlx::Error> {
        let connection = match self.trusted().await {
            Some(connection) => connection,
            None => connect(&self.0.options, self.0.timeout).await?,
        };
        Ok(Linked {
            connection,
            links: self.clone(),
            _place: place,
        })
    }

    async fn trusted(&self) -> Option<PgConnection> {
        let (mut connection, idle_since) = self.kept().pop()?;
        if idle_since.elapsed() < TRUSTED_FOR {
            return Some(connection);
        }
        let alive = tokio::time::timeout(self.0.timeout, connection.ping()).await;
        alive.is_ok_and(|alive| alive.is_ok()).then_some(connection)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<(PgConnection, Instant)>> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes what is kept, and gives out none any more.
    pub(crate) async fn close(&self) {
        self.0.places.close();
        let kept = std::mem::take(&mut *self.kept());
        for (connection, _) in kept {
            let _ = tokio::time::timeout(self.0.timeout, connection.close()).await;
        }
    }
}

impl Linked {
    /// Gives it back after work that left nothing open and ended well, or with a plain error of the server.
    pub(crate) fn keep(self, error: Option<&sqlx::Error>) {
        if !error.is_none_or(spares_connection) || self.links.0.places.is_closed() {
            return;
        }
        let mut kept = self.links.kept();
        // The longest unused ones stand first.
        kept.retain(|(_, idle_since)| idle_since.elapsed() < KEPT_FOR);
        kept.push((self.connection, Instant::now()));
    }
}

impl Deref for Linked {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Linked {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}
