//! Publishes a log: one number, how far; one relay at a time, by a lease.
//!
//! Every event goes out twice: with others in a frame, for our own subscribers, and in a message of
//! its own, for anybody who has bound a queue for it. `published` moves over what is settled in both.
//!
//! A second or a stale relay can only repeat messages, because `published` moves by compare and
//! swap, and only over what the broker has confirmed.

mod backlog;
mod error;
mod fresh;
mod lease;
mod outsiders;
mod session;
mod status;
mod window;

pub use status::RelayStatus;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use callboard::log::LogReader;
use callboard::relay::RelayStore;
use callboard::subscription::Backoff;
use callboard::writer::Tap;
use callboard::{Position, Recorded, error_chain};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::broker::{Broker, Link};
use crate::topology::Topology;
use error::RelayError;
use fresh::Fresh;
use lease::Lease;
use session::Session;

/// A relay's bounds.
#[derive(Debug, Clone)]
pub struct RelayConfig {
    /// The most events in flight; 500 to 1,000 give the top rate, and four full frames fit.
    pub window: usize,
    /// The most bytes in flight, give or take a frame and its events' own messages.
    pub window_bytes: usize,
    /// How long the oldest message in flight may wait for its confirm, unless the broker blocks.
    pub confirm_within: Duration,
    /// How far apart frames are sent at the least that aren't full: so long an event may wait that comes right behind
    /// another one. Each frame costs the broker and every subscriber about the same, however many events it has.
    pub frames_apart: Duration,
    /// The same behind a frame of eight events or more: where events come by the thousand a second, most of what they
    /// cost is the number of frames.
    pub busy_frames_apart: Duration,
    /// How often a relay that has nothing to do looks at the log by itself.
    pub look_every: Duration,
    /// Whether each event is published as a message of its own as well, for outsiders.
    pub event_messages: bool,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self {
            window: 1_024,
            window_bytes: 8 * 1024 * 1024,
            confirm_within: Duration::from_secs(10),
            frames_apart: Duration::from_millis(4),
            busy_frames_apart: Duration::from_millis(10),
            look_every: Duration::from_secs(1),
            event_messages: true,
        }
    }
}

/// Publishes one log.
pub struct Relay<R, S> {
    log: &'static str,
    broker: Broker,
    topology: Topology,
    reader: R,
    store: S,
    config: RelayConfig,
    shared: Arc<Shared>,
    holder: Uuid,
}

struct Shared {
    fresh: Fresh,
    /// Something is new: in `fresh`, or by another replica in the log.
    woken: Notify,
    /// How far the log has grown, as other replicas tell.
    grown: AtomicU64,
    status: watch::Sender<RelayStatus>,
}

/// Wakes a relay and shows how it is doing. Cheap to clone.
///
/// As the writer's tap it hands over fresh events, so that the relay needn't read them from the
/// log; what is too much to keep is read from there.
#[derive(Clone)]
pub struct RelayHandle(Arc<Shared>);

impl RelayHandle {
    /// The log has grown up to here, by another replica for one. Never blocks. What this replica's own
    /// writer has handed over isn't read from the log for it.
    pub fn wake(&self, head: Position) {
        self.0.grown.fetch_max(head.get(), Ordering::AcqRel);
        self.0.woken.notify_one();
    }

    /// How the relay is doing.
    pub fn status(&self) -> watch::Receiver<RelayStatus> {
        self.0.status.subscribe()
    }
}

impl Tap for RelayHandle {
    fn recorded(&self, events: &Arc<[Recorded]>) {
        self.0.fresh.push(events);
        self.0.woken.notify_one();
    }

    fn followed(&self, events: &Arc<[Recorded]>) {
        // Without these, the next ones of this replica's own would leave a gap, to be read from the log.
        self.0.fresh.push(events);
    }
}

/// How a relay's turn ended.
enum Ended {
    /// Shut down, everything in flight settled or given up.
    Stopped,
    /// Another relay has the lease, or it couldn't be renewed.
    LeaseLost,
    /// `published` isn't what it was: an operator's rewind, or another relay.
    Moved,
    Failed(RelayError),
}

impl<R: LogReader, S: RelayStore> Relay<R, S> {
    /// The relay of a log. Nothing happens before [`Relay::run`]; must be called within a tokio
    /// runtime.
    pub fn new(log: &'static str, broker: &Broker, topology: &Topology, reader: R, store: S) -> Self {
        Self {
            log,
            broker: broker.clone(),
            topology: topology.clone(),
            reader,
            store,
            config: RelayConfig::default(),
            shared: Arc::new(Shared {
                fresh: Fresh::default(),
                woken: Notify::new(),
                grown: AtomicU64::new(0),
                status: watch::Sender::new(RelayStatus::default()),
            }),
            holder: Uuid::new_v4(),
        }
    }

    /// The same relay with other bounds.
    pub fn with_config(mut self, config: RelayConfig) -> Self {
        self.config = config;
        self
    }

    /// For waking it and watching it; the writer's tap.
    pub fn handle(&self) -> RelayHandle {
        RelayHandle(self.shared.clone())
    }

    /// Publishes until shut down, through whatever happens to the broker, the log and the lease.
    /// On shutdown it sends nothing more and waits up to 2 s for what is in flight. Dropping the
    /// future is safe: what was in flight is published again.
    pub async fn run(self, shutdown: CancellationToken) {
        let link = self.broker.relay_link(self.log);
        let mut backoff = Backoff::default();
        while let Some(lease) = self.take_lease(&shutdown).await {
            let ended = self.lead(&link, lease, &shutdown).await;
            self.step_down(&ended).await;
            match ended {
                Ended::Stopped => return,
                Ended::LeaseLost | Ended::Moved => backoff.reset(),
                Ended::Failed(error) => {
                    // All was well since the last trouble: this is another one.
                    if self.shared.status.borrow().last_error.is_none() {
                        backoff.reset();
                    }
                    self.report(&error);
                    backoff.wait(&shutdown).await;
                }
            }
        }
    }

    /// Publishes for as long as the lease lasts.
    async fn lead(&self, link: &Link, mut lease: Lease<'_, S>, shutdown: &CancellationToken) -> Ended {
        self.shared.fresh.open();
        self.shared.status.send_modify(|status| status.leader = true);
        metrics::gauge!("callboard_relay_leader", "log" => self.log).set(1);
        tracing::info!(log = self.log, "this relay has the lease");
        tokio::select! {
            reason = lease.hold() => {
                tracing::warn!(log = self.log, reason, "this relay lost the lease");
                Ended::LeaseLost
            }
            ended = self.publish(link, shutdown) => ended,
        }
    }

    async fn publish(&self, link: &Link, shutdown: &CancellationToken) -> Ended {
        let opened = tokio::select! {
            opened = Session::open(self, link) => opened,
            () = shutdown.cancelled() => return Ended::Stopped,
        };
        match opened {
            Ok(session) => session.run(shutdown).await,
            Err(error) => Ended::Failed(error),
        }
    }

    /// Lets another replica try: it may reach a broker that this one doesn't.
    async fn step_down(&self, ended: &Ended) {
        self.shared.fresh.close();
        self.shared.status.send_modify(RelayStatus::step_down);
        metrics::gauge!("callboard_relay_leader", "log" => self.log).set(0);
        metrics::gauge!("callboard_relay_in_flight", "log" => self.log).set(0);
        metrics::gauge!("callboard_relay_blocked", "log" => self.log).set(0);
        if !matches!(ended, Ended::LeaseLost) {
            self.release().await;
        }
    }

    fn report(&self, error: &RelayError) {
        let text = error_chain(error);
        tracing::warn!(log = self.log, error = text, "the relay waits and begins anew");
        metrics::counter!("callboard_relay_errors_total", "log" => self.log).increment(1);
        self.shared.status.send_modify(|status| status.last_error = Some(text));
    }
}
