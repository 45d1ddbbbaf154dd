//! Keeps a subscriber running: a task that consumes its feed, and one that heals it from the log.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::error_chain;
use crate::log::LogReader;
use crate::names::Checkpoint;
use crate::subscription::runner::DEAF;
use crate::subscription::{
    Connect, Delivery, Feed, Foreign, Lock, Mode, RunError, Runner, Status, Subscriber, SubscriberError,
};

/// How often a subscriber looks by itself, and how long a checkpoint may stand still behind the
/// head before the log is read.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// So many times the log must bring what an attached feed didn't, before the feed is taken for deaf
/// and connected anew; each time in vain doubles it, up to the most.
const DEAF_AFTER: u32 = 3;
const DEAF_AFTER_MOST: u32 = 96;

/// A feed that lived so long was no failure; one that is lost sooner makes the next wait longer, or
/// a broker that takes connections and drops them would be asked without end.
const LASTING: Duration = Duration::from_secs(5);

/// The longest wait before an attempt that is to come soon.
const SOON_MOST: Duration = Duration::from_secs(2);

/// The longest that a subscriber waits before it begins again, unless more is configured.
const RESTART_MOST: Duration = Duration::from_secs(10);

/// Growing delays with jitter, so that replicas don't knock all at once.
#[derive(Debug, Clone)]
pub struct Backoff {
    least: Duration,
    most: Duration,
    next: Duration,
}

impl Backoff {
    /// Delays from `least` on, doubling up to `most`.
    pub fn new(least: Duration, most: Duration) -> Self {
        Self {
            least,
            most,
            next: least,
        }
    }

    /// Delays after a fault: `delay` plus a random part of up to as much again; both grow with each fault
    /// in a row, up to 10 s or twice the delay.
    pub fn restarting(delay: Duration) -> Self {
        let (least, most) = (delay * 2, RESTART_MOST);
        Self::new(least, most.max(least))
    }

    /// The next delay: between half and all of the present step.
    pub fn next_delay(&mut self) -> Duration {
        let step = self.next;
        self.next = (step * 2).min(self.most);
        step.mul_f64(0.5 + random() / 2.0)
    }

    /// Waits for the next delay; false when shut down meanwhile. Dropping the future is safe.
    pub async fn wait(&mut self, shutdown: &CancellationToken) -> bool {
        let delay = self.next_delay();
        tokio::select! {
            () = shutdown.cancelled() => false,
            () = tokio::time::sleep(delay) => true,
        }
    }

    /// Begins with the least delay again.
    pub fn reset(&mut self) {
        self.next = self.least;
    }
}

impl Default for Backoff {
    /// 0.2 to 10 s.
    fn default() -> Self {
        Self::new(Duration::from_millis(200), Duration::from_secs(10))
    }
}

/// A random number from 0 to 1, for jitter.
pub(crate) fn random() -> f64 {
    f64::from(Uuid::new_v4().as_fields().0) / f64::from(u32::MAX)
}

/// Runs one subscriber until it is shut down, through whatever happens to its feed and its store.
pub struct Supervisor<S: Subscriber, R, C> {
    runner: Arc<Mutex<Runner<S, R>>>,
    connect: C,
    name: &'static str,
    status: watch::Receiver<Status>,
    backoff: Backoff,
}

impl<S: Subscriber, R: LogReader, C: Connect> Supervisor<S, R, C> {
    /// A supervisor of `subscriber`. Nothing happens before [`Supervisor::run`].
    pub fn new(subscriber: S, reader: R, connect: C) -> Self {
        let name = subscriber.name();
        let runner = Runner::new(subscriber, reader);
        let status = runner.status();
        Self {
            runner: Arc::new(Mutex::new(runner)),
            connect,
            name,
            status,
            backoff: Backoff::default(),
        }
    }

    /// After a fault, waits so long before it begins again, plus a random part of up to as much again;
    /// both grow with each fault in a row, up to 10 s or twice the delay. 0.1 s by default.
    #[must_use]
    pub fn restart_after(mut self, delay: Duration) -> Self {
        self.backoff = Backoff::restarting(delay);
        self
    }

    /// How the subscriber is doing.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Registers the subscriber and loads what it needs, with retries; false when shut down before.
    /// A process manager's service does it before its first listener opens.
    pub async fn start(&mut self, shutdown: &CancellationToken) -> bool {
        let mut backoff = self.backoff.clone();
        loop {
            let mut runner = self.runner.lock().await;
            match runner.start().await {
                // What stands by is looked after while running.
                Ok(()) | Err(RunError::Stopped { .. }) => return true,
                Err(error) => runner.failed(&error),
            }
            drop(runner);
            if !backoff.wait(shutdown).await {
                return false;
            }
        }
    }

    /// Runs until `shutdown`; stops between steps, never inside one.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self {
            runner,
            connect,
            name,
            backoff,
            ..
        } = self;
        // Apart from the feed, so that nothing that the broker does can hold up the healing.
        let healer = tokio::spawn(heal(runner.clone(), shutdown.clone()));
        consume(runner.clone(), connect, name, backoff, shutdown).await;
        let _ = healer.await;
        runner.lock().await.finish().await;
    }
}

/// Consumes feed after feed.
async fn consume<S: Subscriber, R: LogReader, C: Connect>(
    runner: Arc<Mutex<Runner<S, R>>>,
    mut connect: C,
    name: &'static str,
    mut backoff: Backoff,
    shutdown: CancellationToken,
) {
    let retry = backoff.clone();
    // A row is cheap to ask, and whoever waits for a rebuild goes on right behind it.
    let mut asking = Backoff::new(LOOK_EVERY, LOOK_EVERY);
    // Apart, so that the waits for a broker that was away aren't those for a queue that is dead.
    let mut soon = Backoff::new(backoff.least, SOON_MOST.max(backoff.least));
    while !shutdown.is_cancelled() {
        match bring_up(&runner).await {
            Ok(()) => {}
            Err(error) => {
                match error {
                    // Halted and paused ones attach no consumer; they are asked again in a while.
                    RunError::Stopped { .. } => asking.wait(&shutdown).await,
                    error => {
                        runner.lock().await.failed(&error);
                        backoff.wait(&shutdown).await
                    }
                };
                continue;
            }
        }
        let connected = tokio::select! {
            connected = connect.connect() => connected,
            () = shutdown.cancelled() => return,
        };
        let (ended, waits) = match connected {
            Ok(feed) => {
                let since = Instant::now();
                runner.lock().await.set_mode(Mode::Live, None);
                let ended = drain(&runner, feed, &retry, &shutdown).await;
                if since.elapsed() >= LASTING {
                    backoff.reset();
                    soon.reset();
                }
                (ended, &mut backoff)
            }
            Err(error) if error.soon => (Some(error_chain(&error)), &mut soon),
            Err(error) => (Some(error_chain(&error)), &mut backoff),
        };
        if let Some(reason) = ended {
            tracing::warn!(
                subscriber = name,
                reason,
                "the feed is away: reading from the log meanwhile"
            );
            runner.lock().await.set_mode(Mode::FromLog, Some(reason));
        }
        waits.wait(&shutdown).await;
    }
}

/// Starts what isn't running, and reads what was missed while no feed was attached.
async fn bring_up<S: Subscriber, R: LogReader>(runner: &Mutex<Runner<S, R>>) -> Result<(), RunError> {
    let mut runner = runner.lock().await;
    runner.start().await?;
    runner.catch_up(Lock::Skip).await?;
    runner.went_on();
    Ok(())
}

/// Takes deliveries until the feed is lost (why) or the subscriber stopped or was shut down.
async fn drain<S: Subscriber, R: LogReader, F: Feed>(
    runner: &Mutex<Runner<S, R>>,
    mut feed: F,
    retry: &Backoff,
    shutdown: &CancellationToken,
) -> Option<String> {
    loop {
        let (stopped, deaf) = {
            let runner = runner.lock().await;
            (runner.stopped(), runner.deaf())
        };
        let deliveries = tokio::select! {
            deliveries = feed.next() => deliveries,
            () = shutdown.cancelled() => return None,
            () = stopped.cancelled() => return None,
            () = deaf.cancelled() => return Some(DEAF.into()),
        };
        let deliveries = match deliveries {
            Ok(deliveries) => deliveries,
            Err(error) => return Some(error_chain(&error)),
        };
        let foreign = offer(runner, &deliveries, retry.clone(), shutdown).await?;
        if let Err(error) = feed.settle(&foreign).await {
            return Some(error_chain(&error));
        }
    }
}

/// Offers deliveries until they are applied; `None` when stopped or shut down before.
async fn offer<S: Subscriber, R: LogReader>(
    runner: &Mutex<Runner<S, R>>,
    deliveries: &[Delivery],
    mut backoff: Backoff,
    shutdown: &CancellationToken,
) -> Option<Vec<Foreign>> {
    loop {
        let mut runner = runner.lock().await;
        match runner.offer(deliveries).await {
            Ok(foreign) => return Some(foreign),
            Err(RunError::Stopped { .. }) => return None,
            Err(RunError::Subscriber(SubscriberError::Full { .. })) if shutdown.is_cancelled() => return None,
            // It has waited for room already.
            Err(RunError::Subscriber(SubscriberError::Full { .. })) => continue,
            Err(error) => runner.failed(&error),
        }
        drop(runner);
        if !backoff.wait(shutdown).await {
            return None;
        }
    }
}

/// Looks once a second: whoever's checkpoint stands still behind the head is brought on from the
/// log. A feed that brings nothing meanwhile is connected anew.
async fn heal<S: Subscriber, R: LogReader>(runner: Arc<Mutex<Runner<S, R>>>, shutdown: CancellationToken) {
    let mut seen: Option<Checkpoint> = None;
    let (mut heard, mut healed, mut quiet, mut patience) = (0, 0, 0, DEAF_AFTER);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let mut runner = runner.lock().await;
        if runner.heard() != heard {
            (heard, healed, patience) = (runner.heard(), 0, DEAF_AFTER);
        }
        let applied = runner.applied();
        match runner.look(seen).await {
            Ok(checkpoint) => {
                seen = checkpoint;
                // One alone may come just behind the catch-up of a feed that was connected anew.
                quiet = if runner.applied() == applied { quiet + 1 } else { 0 };
                if quiet >= DEAF_AFTER {
                    runner.missed_nothing();
                }
            }
            Err(RunError::Subscriber(SubscriberError::Full { .. })) => seen = None,
            Err(RunError::Stopped { .. }) => seen = None,
            Err(error) => {
                runner.failed(&error);
                seen = None;
            }
        }
        healed += u32::from(runner.applied() > applied);
        if healed >= patience {
            (healed, patience) = (0, DEAF_AFTER_MOST.min(patience * 2));
            runner.leave_feed();
        }
    }
}
