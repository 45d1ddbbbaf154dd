//! One append, repeated until its outcome is definite.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::event::Log;
use crate::log::{Append, AppendError, Appended, LockedLog, LogStore};
use crate::receipt::CommandError;
use crate::subscription::Backoff;
use crate::writer::Tap;
use crate::writer::run::Writer;
use crate::writer::settle::Batch;

/// What a try gets at least, also when its batch had to wait up to its deadline.
const TRY_AT_LEAST: Duration = Duration::from_secs(1);

impl<L: Log, S: LogStore, T: Tap> Writer<L, S, T> {
    /// Repeats the very same append until its outcome is definite. Looking into the log would not
    /// be enough: the connection that was lost may still commit; the same append waits for it at
    /// the lock. Past the deadline the clients are told that the outcome is unknown, and the
    /// writer goes on, taking no other batch.
    pub(super) async fn append_until_definite(
        &mut self,
        append: &Append,
        locked: Option<S::Locked>,
        part: &mut Batch<L>,
        deadline: Instant,
        shutdown: &CancellationToken,
    ) -> Result<Appended, AppendError> {
        let store = self.store.clone();
        let first = async {
            match locked {
                Some(locked) => locked.append(append).await,
                None => store.append(append).await,
            }
        };
        let mut outcome = self
            .patiently(first, part, deadline.max(Instant::now() + TRY_AT_LEAST), shutdown)
            .await;
        let mut unknown = false;
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));
        loop {
            let error = match outcome {
                Some(Err(error @ (AppendError::Unavailable(_) | AppendError::Unknown(_)))) => error,
                Some(definite) => return definite,
                None => return Err(AppendError::Unknown("shut down before the append was answered".into())),
            };
            unknown |= matches!(error, AppendError::Unknown(_));
            let late = Instant::now() >= deadline;
            if late && !unknown {
                return Err(error);
            }
            if late && shutdown.is_cancelled() {
                return Err(AppendError::Unknown(Box::new(error)));
            }
            metrics::counter!("callboard_append_repeats_total", "log" => L::NAME).increment(1);
            tracing::warn!(
                log = L::NAME,
                error = crate::error_chain(&error),
                "the append is repeated"
            );
            let again = async {
                tokio::time::sleep(backoff.next_delay()).await;
                store.append(append).await
            };
            let patience = if unknown {
                deadline
            } else {
                deadline.max(Instant::now() + 2 * TRY_AT_LEAST)
            };
            outcome = self.patiently(again, part, patience, shutdown).await;
        }
    }

    /// Awaits one try. Past the deadline nobody waits for a log that doesn't answer: the batch's
    /// clients are told that its outcome is unknown, and whoever comes now that nothing was done.
    /// `None` when shut down in that state.
    async fn patiently<O>(
        &mut self,
        work: impl Future<Output = O>,
        part: &mut Batch<L>,
        deadline: Instant,
        shutdown: &CancellationToken,
    ) -> Option<O> {
        let mut work = pin!(work);
        if let Ok(outcome) = timeout_at(deadline, &mut work).await {
            return Some(outcome);
        }
        part.iter_mut()
            .for_each(|prepared| prepared.answer_early(CommandError::OutcomeUnknown));
        loop {
            tokio::select! {
                biased;
                outcome = &mut work => return Some(outcome),
                () = shutdown.cancelled() => return None,
                Some(request) = self.requests.recv() => request.refuse(CommandError::Unavailable),
            }
        }
    }
}
