//! Wake-ups between processes: a coalesced NOTIFY after commits, and a listener.
//!
//! Only a hint, never needed: whoever waits for one looks by itself anyway.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use callboard::writer::Tap;
use callboard::{Log, Position, Recorded};
use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{Executor, PgConnection};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::database::{Database, connect};

/// How long a connection may take, or an answer on it.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause after a lost connection, made longer at random so that replicas don't come all at once.
const RECONNECT_AFTER: Duration = Duration::from_millis(500);
/// How far apart wake-ups are at the least: what was recorded meanwhile the next one tells. Each is a transaction
/// that waits for the disk.
const APART: Duration = Duration::from_millis(20);
/// How often a silent listener's connection is tried: a dead one is silent, too.
const TRY_EVERY: Duration = Duration::from_secs(15);

/// Tells of rebuilds that have been ordered. No log has a dot in its name.
const REBUILDS: &str = "callboard.rebuilds";

fn channel(log: &str) -> String {
    format!("callboard_{log}")
}

/// Tells other processes that a log has grown. A [`Tap`] for the log's writer.
///
/// It sends from a connection of its own, after the commit: a NOTIFY inside the append would hold
/// an instance-wide lock through its commit. What piles up while one is sent, the next one tells.
pub struct Notifier {
    head: Arc<AtomicU64>,
    wake: Arc<Notify>,
    stop: CancellationToken,
}

impl Notifier {
    /// Starts the task that tells of `L`; it ends when the notifier is dropped.
    pub fn spawn<L: Log>(database: &Database) -> Self {
        let notifier = Self {
            head: Arc::default(),
            wake: Arc::new(Notify::new()),
            stop: CancellationToken::new(),
        };
        let (head, wake, stop) = (notifier.head.clone(), notifier.wake.clone(), notifier.stop.clone());
        let database = database.clone();
        tokio::spawn(async move {
            stop.run_until_cancelled(notify(database, L::NAME, head, wake)).await;
        });
        notifier
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Tap for Notifier {
    fn recorded(&self, events: &Arc<[Recorded]>) {
        if let Some(last) = events.last() {
            self.head.store(last.position.get(), Ordering::Relaxed);
            self.wake.notify_one();
        }
    }
}

async fn notify(database: Database, log: &'static str, head: Arc<AtomicU64>, wake: Arc<Notify>) {
    let options = database.wakeup_options();
    let mut connection = None;
    loop {
        wake.notified().await;
        let tell = async {
            let open = match connection.take() {
                Some(open) => open,
                None => connect(&options, PATIENCE).await?,
            };
            tell(open, log, head.load(Ordering::Relaxed)).await
        };
        match tokio::time::timeout(PATIENCE, tell).await {
            Ok(Ok(open)) => {
                connection = Some(open);
                tokio::time::sleep(APART).await;
            }
            outcome => {
                let outcome = outcome.map(|told| told.map(drop));
                // The next commit tells again; until then everyone looks by itself.
                tracing::debug!(log, ?outcome, "the wake-up wasn't sent");
                tokio::time::sleep(RECONNECT_AFTER).await;
            }
        }
    }
}

async fn tell(mut connection: PgConnection, log: &str, head: u64) -> Result<PgConnection, sqlx::Error> {
    sqlx::query("select pg_notify($1, $2)")
        .bind(channel(log))
        .bind(head.to_string())
        .execute(&mut connection)
        .await?;
    Ok(connection)
}

/// Hears of the logs that have grown in other processes, and of rebuilds that were ordered anywhere.
pub struct Wakeups {
    logs: HashMap<&'static str, watch::Receiver<Position>>,
    rebuilds: watch::Receiver<()>,
    stop: CancellationToken,
}

impl Wakeups {
    /// Starts the task that listens for these logs; it ends when the answer is dropped.
    pub fn spawn(database: &Database, logs: &[&'static str]) -> Self {
        let (senders, receivers): (Vec<_>, HashMap<_, _>) = logs
            .iter()
            .map(|log| {
                let (sender, receiver) = watch::channel(Position::START);
                ((*log, sender), (*log, receiver))
            })
            .unzip();
        let (ordered, rebuilds) = watch::channel(());
        let stop = CancellationToken::new();
        let (database, stopped) = (database.clone(), stop.clone());
        tokio::spawn(async move {
            stopped.run_until_cancelled(listen(database, senders, ordered)).await;
        });
        Self {
            logs: receivers,
            rebuilds,
            stop,
        }
    }

    /// Changes whenever a rebuild may have been ordered: for [`crate::PgRebuild::woken_by`].
    pub fn rebuilds(&self) -> watch::Receiver<()> {
        self.rebuilds.clone()
    }

    /// Changes whenever `L` may have grown; the value is a hint of its head, and may be behind.
    /// `None` when it isn't listened for.
    pub fn of<L: Log>(&self) -> Option<watch::Receiver<Position>> {
        self.logs.get(L::NAME).cloned()
    }
}

impl Drop for Wakeups {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn listen(database: Database, logs: Vec<(&'static str, watch::Sender<Position>)>, rebuilds: watch::Sender<()>) {
    loop {
        if let Err(error) = listen_once(&database, &logs, &rebuilds).await {
            tracing::debug!(%error, "not listening for wake-ups at present");
        }
        let jitter = RECONNECT_AFTER.mul_f64(f64::from(rand_byte()) / 255.0);
        tokio::time::sleep(RECONNECT_AFTER + jitter).await;
    }
}

/// A random byte, from a random id.
fn rand_byte() -> u8 {
    uuid::Uuid::new_v4().as_bytes()[0]
}

/// Connects, listens, wakes everyone (who knows what was missed), then passes wake-ups on until
/// the connection is lost.
async fn listen_once(
    database: &Database,
    logs: &[(&'static str, watch::Sender<Position>)],
    rebuilds: &watch::Sender<()>,
) -> Result<(), sqlx::Error> {
    // A pool of its own, as the listener wants one, for this one connection.
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .acquire_timeout(PATIENCE)
        .connect_lazy_with(database.wakeup_options());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    let channels: Vec<String> = logs.iter().map(|(log, _)| channel(log)).collect();
    let all = channels.iter().map(String::as_str).chain([REBUILDS]);
    listener.listen_all(all).await?;
    for (_, sender) in logs {
        sender.send_modify(|_| {});
    }
    rebuilds.send_replace(());
    loop {
        match tokio::time::timeout(TRY_EVERY, listener.try_recv()).await {
            Ok(Ok(Some(told))) if told.channel() == REBUILDS => {
                rebuilds.send_replace(());
            }
            Ok(Ok(Some(told))) => {
                let log = logs
                    .iter()
                    .zip(&channels)
                    .find(|(_, channel)| *channel == told.channel());
                if let (Some(((_, sender), _)), Ok(head)) = (log, told.payload().parse()) {
                    sender.send_replace(Position::new(head));
                }
            }
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                let alive = tokio::time::timeout(PATIENCE, listener.execute("select 1")).await;
                alive.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
            }
        }
    }
}
