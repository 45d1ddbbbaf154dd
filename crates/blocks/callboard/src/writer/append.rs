//! One append, repeated until its outcome is definite.

use std::time::Duration;

use tokio::time::Instant;

use crate::event::Log;
use crate::log::{Append, AppendError, Appended, LockedLog, LogStore, Turn};
use crate::receipt::CommandError;
use crate::subscription::Backoff;
use crate::writer::Tap;
use crate::writer::patience::{Patience, STEP_AT_LEAST};
use crate::writer::run::Writer;
use crate::writer::settle::Batch;
use crate::writer::turns::Held;

impl<L: Log, S: LogStore, T: Tap> Writer<L, S, T> {
    /// Repeats the very same append until its outcome is definite. Looking into the log would not
    /// be enough: the connection that was lost may still commit; the same append waits for it at
    /// the lock. Past the deadline the clients are told that the outcome is unknown, and the
    /// writer goes on, taking no other batch.
    pub(super) async fn append_until_definite(
        &mut self,
        append: &Append,
        held: Held<S>,
        part: &mut Batch<L>,
        patience: Patience<'_>,
    ) -> Result<Appended, AppendError> {
        let store = self.store.clone();
        let first = Box::pin(async {
            match held {
                Held::Nothing => store.append(append).await,
                Held::Turn(turn) => turn.append(append).await,
                Held::Lock(locked) => locked.append(append).await,
            }
        });
        let late = CommandError::OutcomeUnknown;
        let requests = &mut self.requests;
        let mut outcome = patience
            .however_long(first, patience.for_a_step(), part, late.clone(), requests)
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
            if patience.is_over() && !unknown {
                return Err(error);
            }
            if patience.is_over() && patience.shutdown.is_cancelled() {
                return Err(AppendError::Unknown(Box::new(error)));
            }
            metrics::counter!("callboard_append_repeats_total", "log" => L::NAME).increment(1);
            tracing::warn!(
                log = L::NAME,
                error = crate::error_chain(&error),
                "the append is repeated"
            );
            let again = Box::pin(async {
                tokio::time::sleep(backoff.next_delay()).await;
                store.append(append).await
            });
            let until = if unknown {
                patience.deadline
            } else {
                patience.deadline.max(Instant::now() + 2 * STEP_AT_LEAST)
            };
            outcome = patience.however_long(again, until, part, late.clone(), requests).await;
        }
    }
}
