//! The writer's loop: gather what waits, settle it, follow the log when idle.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::event::Log;
use crate::log::{LogStore, ReadError};
use crate::receipt::CommandError;
use crate::router::Router;
use crate::subscription::Backoff;
use crate::writer::cache::Cache;
use crate::writer::patience::{Patience, Timely};
use crate::writer::prepared::Prepared;
use crate::writer::queue::Commands;
use crate::writer::settle::Batch;
use crate::writer::turns::Turns;
use crate::writer::{Tap, WriterConfig};

/// Decides the commands of one log and appends their events.
///
/// Commands of a log are strictly serializable over all of its writers, on whatever replica: each
/// batch is decided on exactly the head that its append compares with, and nothing of a batch is
/// answered before that append (or, without events and keys, a read of the head) has confirmed it.
pub struct Writer<L: Log, S, T> {
    pub(super) store: S,
    pub(super) tap: T,
    pub(super) cache: Cache<L>,
    pub(super) config: WriterConfig,
    /// For reads: `store`, but nothing takes longer than clients wait.
    pub(super) reader: Timely<S>,
    pub(super) requests: mpsc::Receiver<Prepared<L>>,
    pub(super) turns: Turns,
    ready: watch::Sender<bool>,
}

impl<L: Log, S: LogStore, T: Tap> Writer<L, S, T> {
    /// A writer, and the handle that sends commands to it. Nothing happens before [`Writer::run`].
    pub fn new(store: S, router: &Router<L>, tap: T, config: WriterConfig) -> (Self, Commands<L>) {
        let (commands, requests) = Commands::channel(config.queue_commands);
        let cache = Cache::new(&router.models, config.cached_streams);
        let reader = Timely::new(L::NAME, store.clone(), config.answer_within);
        (
            Self {
                store,
                tap,
                cache,
                config,
                reader,
                requests,
                turns: Turns::default(),
                ready: watch::Sender::new(false),
            },
            commands,
        )
    }

    /// Whether the writer has read the log up to its head once.
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    /// Runs until `shutdown`, then settles everything that was taken into the queue.
    pub async fn run(mut self, shutdown: CancellationToken) {
        if !self.hydrate(&shutdown).await {
            self.requests.close();
            while let Some(prepared) = self.requests.recv().await {
                prepared.request.refuse(CommandError::Unavailable);
            }
            return;
        }
        let mut arrived = Vec::with_capacity(self.config.batch_commands);
        loop {
            tokio::select! {
                biased;
                // First, or a queue that is never empty would keep the writer from ending.
                () = shutdown.cancelled(), if !self.requests.is_closed() => self.requests.close(),
                // What has come goes at once: who lets others join in first leaves the log idle meanwhile, and they
                // gather while it commits anyway.
                taken = self.requests.recv_many(&mut arrived, self.config.batch_commands) => {
                    if taken == 0 {
                        return;
                    }
                    self.settle(arrived.drain(..).collect(), &shutdown).await;
                }
                () = tokio::time::sleep(self.config.follow_every) => {
                    if let Some(Err(error)) = self.follow(&shutdown).await {
                        tracing::warn!(log = L::NAME, error = crate::error_chain(&error), "the writer can't follow its log");
                    }
                }
            }
        }
    }

    /// Reads the log up to its head; false when shut down before. Commands wait for it no longer
    /// than for any batch.
    async fn hydrate(&mut self, shutdown: &CancellationToken) -> bool {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        let deadline = Instant::now() + self.config.answer_within;
        loop {
            let followed = tokio::select! {
                biased;
                followed = self.follow_while(deadline, shutdown) => followed,
                () = shutdown.cancelled() => return false,
            };
            let error = match followed {
                None => return false,
                Some(Ok(())) => break,
                Some(Err(error)) => error,
            };
            tracing::warn!(
                log = L::NAME,
                error = crate::error_chain(&error),
                "the writer can't read its log yet"
            );
            let waited = refusing_from(deadline, shutdown, backoff.wait(shutdown), &mut self.requests).await;
            if waited != Some(true) {
                return false;
            }
        }
        self.ready.send_replace(true);
        true
    }

    /// Brings the cache to the head; who comes meanwhile waits no longer than for any batch. `None` when
    /// shut down after that time.
    pub(super) async fn follow(&mut self, shutdown: &CancellationToken) -> Option<Result<(), ReadError>> {
        let deadline = Instant::now() + self.config.answer_within;
        self.follow_while(deadline, shutdown).await
    }

    async fn follow_while(&mut self, deadline: Instant, shutdown: &CancellationToken) -> Option<Result<(), ReadError>> {
        let followed = Box::pin(self.cache.catch_up(&self.reader));
        refusing_from(deadline, shutdown, followed, &mut self.requests).await
    }
}

/// Awaits a step; from the deadline on whoever has come or comes is told that nothing was done. `None` when
/// shut down after that time.
async fn refusing_from<L: Log, O>(
    deadline: Instant,
    shutdown: &CancellationToken,
    step: impl Future<Output = O>,
    requests: &mut mpsc::Receiver<Prepared<L>>,
) -> Option<O> {
    let patience = Patience { deadline, shutdown };
    let nobody = &mut Batch::new();
    patience
        .however_long(step, deadline, nobody, CommandError::Unavailable, requests)
        .await
}
