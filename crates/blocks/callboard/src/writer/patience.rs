//! How long the clients of a batch wait for the log, and what they are told then.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::event::Log;
use crate::log::{LogReader, ReadError, Slice, Source, StreamEvents};
use crate::names::{Checkpoint, Position, StreamName, Version};
use crate::receipt::CommandError;
use crate::writer::prepared::Prepared;
use crate::writer::settle::Batch;

/// What a step gets at least, also when its batch had to wait up to its deadline.
pub(super) const STEP_AT_LEAST: Duration = Duration::from_millis(750);

/// Until when the clients of a batch wait.
#[derive(Clone, Copy)]
pub(super) struct Patience<'a> {
    pub(super) deadline: Instant,
    pub(super) shutdown: &'a CancellationToken,
}

impl Patience<'_> {
    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// Until when they wait for a step that begins now.
    pub(super) fn for_a_step(&self) -> Instant {
        self.deadline.max(Instant::now() + STEP_AT_LEAST)
    }

    /// Awaits a step that records nothing, and cuts it off when nobody waits for it any more.
    pub(super) async fn briefly<T, E: Into<Source>>(
        &self,
        step: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Source> {
        match timeout_at(self.for_a_step(), step).await {
            Ok(outcome) => outcome.map_err(Into::into),
            Err(_) => Err("the log doesn't answer in time".into()),
        }
    }

    /// Awaits a read that may take longer than clients wait: what it has brought stays, or a long log
    /// would never be read. An error when the batch's clients have been told that nothing was done.
    pub(super) async fn read<L: Log, T, E: Into<Source>>(
        &self,
        read: impl Future<Output = Result<T, E>>,
        part: &mut Batch<L>,
        requests: &mut mpsc::Receiver<Prepared<L>>,
    ) -> Result<T, Source> {
        let until = self.for_a_step();
        let outcome = self
            .however_long(read, until, part, CommandError::Unavailable, requests)
            .await;
        match outcome {
            Some(Err(error)) => Err(error.into()),
            Some(Ok(value)) if Instant::now() < until => Ok(value),
            _ => Err("reading the log took longer than its commands wait".into()),
        }
    }

    /// Awaits a step however long it takes. From `until` on nobody waits for a log that doesn't answer:
    /// the batch's clients are told `late`, and whoever comes now that nothing was done. `None` when shut
    /// down in that state.
    pub(super) async fn however_long<L: Log, O>(
        &self,
        step: impl Future<Output = O>,
        until: Instant,
        part: &mut Batch<L>,
        late: CommandError,
        requests: &mut mpsc::Receiver<Prepared<L>>,
    ) -> Option<O> {
        let mut step = pin!(step);
        if let Ok(outcome) = timeout_at(until, &mut step).await {
            return Some(outcome);
        }
        part.iter_mut().for_each(|prepared| prepared.answer_early(late.clone()));
        loop {
            tokio::select! {
                biased;
                outcome = &mut step => return Some(outcome),
                () = self.shutdown.cancelled() => return None,
                Some(prepared) = requests.recv() => prepared.request.refuse(CommandError::Unavailable),
            }
        }
    }
}

/// A log each of whose reads ends in time: one on a connection that went dead is given up, and the
/// next one gets another connection.
#[derive(Clone)]
pub(super) struct Timely<S> {
    log: &'static str,
    store: S,
    within: Duration,
}

impl<S: LogReader> Timely<S> {
    pub(super) fn new(log: &'static str, store: S, within: Duration) -> Self {
        Self { log, store, within }
    }

    async fn in_time<T>(&self, read: impl Future<Output = Result<T, ReadError>>) -> Result<T, ReadError> {
        tokio::time::timeout(self.within, read).await.unwrap_or_else(|_| {
            Err(ReadError {
                log: self.log.into(),
                source: "it doesn't answer in time".into(),
            })
        })
    }
}

impl<S: LogReader> LogReader for Timely<S> {
    async fn head(&self) -> Result<Checkpoint, ReadError> {
        self.in_time(self.store.head()).await
    }

    async fn read(&self, after: Position, limit: usize) -> Result<Slice, ReadError> {
        self.in_time(self.store.read(after, limit)).await
    }

    async fn read_streams(
        &self,
        streams: &[(StreamName, Version)],
        up_to: Position,
        limit: usize,
    ) -> Result<StreamEvents, ReadError> {
        self.in_time(self.store.read_streams(streams, up_to, limit)).await
    }
}
