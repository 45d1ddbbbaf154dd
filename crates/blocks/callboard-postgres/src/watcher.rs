//! Waiting for checkpoints: one watcher per process and database serves everyone who waits.
//!
//! It asks the database, for all of them in one statement, only while somebody waits; and a
//! projection of this process wakes the waiters itself, right after its commit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use callboard::{Position, Standing};
use sqlx::PgPool;
use tokio::sync::watch;

use crate::database::within;

/// How often the database is asked while somebody waits.
const POLL_EVERY: Duration = Duration::from_millis(10);
/// How long one look may take.
const LOOK_WITHIN: Duration = Duration::from_secs(3);
/// The pause after the database couldn't be asked.
const POLL_AFTER_ERROR: Duration = Duration::from_millis(200);

/// A log's name and a subscriber's.
type Key = (&'static str, &'static str);

/// Watches checkpoints.
pub(crate) struct Watcher {
    pool: PgPool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    watched: HashMap<Key, Watched>,
    polling: bool,
}

struct Watched {
    standing: watch::Sender<Standing>,
    waiters: usize,
}

impl Watcher {
    pub(crate) fn new(pool: PgPool) -> Self {
        Self {
            pool,
            state: Mutex::default(),
        }
    }

    /// Watches a checkpoint as long as the answer is held.
    pub(crate) fn watch(self: &Arc<Self>, key: Key) -> Watch {
        let mut state = self.state();
        let watched = state.watched.entry(key).or_insert_with(|| Watched {
            standing: watch::Sender::new(Standing::default()),
            waiters: 0,
        });
        watched.waiters += 1;
        let standing = watched.standing.subscribe();
        if !std::mem::replace(&mut state.polling, true) {
            tokio::spawn(self.clone().poll());
        }
        Watch {
            watcher: self.clone(),
            key,
            standing,
        }
    }

    /// A projection of this process has moved its checkpoint.
    pub(crate) fn moved(&self, log: &'static str, subscriber: &'static str, standing: Standing) {
        if let Some(watched) = self.state().watched.get(&(log, subscriber)) {
            watched.standing.send_replace(standing);
        }
    }

    async fn poll(self: Arc<Self>) {
        // Whatever ends the task, the next waiter starts a new one.
        let ending = Ending(&self);
        let mut pause = POLL_EVERY;
        loop {
            tokio::time::sleep(pause).await;
            let Some(keys) = ending.keys_or_end() else { return };
            pause = match self.look(&keys).await {
                Ok(()) => POLL_EVERY,
                Err(error) => {
                    tracing::debug!(%error, "checkpoints can't be read");
                    POLL_AFTER_ERROR
                }
            };
        }
    }

    async fn look(&self, keys: &[Key]) -> Result<(), sqlx::Error> {
        let (logs, subscribers): (Vec<&str>, Vec<&str>) = keys.iter().copied().unzip();
        let look = sqlx::query_as(include_str!("../queries/read_watched_positions.sql"))
            .bind(logs)
            .bind(subscribers)
            .fetch_all(&self.pool);
        let found: Vec<(i64, i64, i64)> = within(LOOK_WITHIN, look).await?;
        let state = self.state();
        for (index, position, parked) in found {
            let key = usize::try_from(index - 1).ok().and_then(|index| keys.get(index));
            if let Some(watched) = key.and_then(|key| state.watched.get(key)) {
                let standing = Standing {
                    position: Position::new(position.unsigned_abs()),
                    parked: parked.unsigned_abs(),
                };
                watched
                    .standing
                    .send_if_modified(|seen| std::mem::replace(seen, standing) != standing);
            }
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Ending<'a>(&'a Watcher);

impl Ending<'_> {
    /// What is watched; nobody waits any more: ends the polling under the same lock that starts it.
    fn keys_or_end(&self) -> Option<Vec<Key>> {
        let mut state = self.0.state();
        if state.watched.is_empty() {
            state.polling = false;
            return None;
        }
        Some(state.watched.keys().copied().collect())
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if !state.watched.is_empty() {
            state.polling = false;
        }
    }
}

/// A watched checkpoint.
pub(crate) struct Watch {
    watcher: Arc<Watcher>,
    key: Key,
    /// Where it stood when last seen; it may be further by now.
    pub(crate) standing: watch::Receiver<Standing>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut state = self.watcher.state();
        if let Some(watched) = state.watched.get_mut(&self.key) {
            watched.waiters -= 1;
            if watched.waiters == 0 {
                state.watched.remove(&self.key);
            }
        }
    }
}
