//! Turns with the other writers of the log, while there are any.

use std::time::Duration;

use tokio::time::Instant;

use crate::event::Log;
use crate::log::{Append, AppendError, Appended, LogStore, Turn};
use crate::names::Checkpoint;
use crate::writer::Tap;
use crate::writer::cache::PAGE;
use crate::writer::run::Writer;

/// So many batches in a row find nothing of others before a writer counts as the only one again.
const SHARED_FOR: u32 = 16;

/// How long a turn is waited for: the append, which tells what is wrong, has most of the time that clients wait.
const SOON: Duration = Duration::from_millis(500);

/// Whoever didn't get its turn takes none for so long: one that has stopped with it would hold up each batch.
const REST: Duration = Duration::from_secs(5);

/// What a batch holds of the log while it is decided.
pub(super) enum Held<S: LogStore> {
    Nothing,
    /// The head stands still only as long as all writers take turns.
    Turn(S::Turn),
    Lock(S::Locked),
}

/// Whether the log is shared at present.
#[derive(Default)]
pub(super) struct Turns {
    shared_for: u32,
    resting_until: Option<Instant>,
}

impl Turns {
    /// Another writer has recorded something.
    pub(super) fn met_another(&mut self) {
        self.shared_for = SHARED_FOR;
    }

    /// Whether the next batch waits for its turn.
    fn are_due(&mut self) -> bool {
        let rests = self.resting_until.is_some_and(|until| Instant::now() < until);
        let due = self.shared_for > 0 && !rests;
        self.shared_for = self.shared_for.saturating_sub(1);
        due
    }
}

impl<L: Log, S: LogStore, T: Tap> Writer<L, S, T> {
    /// One's turn, with the cache at the head; `None` where nobody else is about, or there is no turn to be had: the
    /// append tells what is wrong then.
    pub(super) async fn take_turn(&mut self) -> Option<S::Turn> {
        if !self.turns.are_due() {
            return None;
        }
        let taken = Box::pin(self.store.take_turn(self.cache.at.position, PAGE));
        let error = match tokio::time::timeout(SOON, taken).await {
            Ok(Ok(taken)) => {
                let (turn, slice) = taken?;
                if !slice.events.is_empty() {
                    self.turns.met_another();
                }
                return self.take_in(slice).then_some(turn);
            }
            Ok(Err(error)) => crate::error_chain(&error),
            Err(late) => late.to_string(),
        };
        self.turns.resting_until = Some(Instant::now() + REST);
        tracing::warn!(
            log = L::NAME,
            error,
            "no turn was to be had among the writers of this log: for a while none is waited for"
        );
        None
    }

    /// The head, and the turn passed on: an append of nothing compares it.
    pub(super) async fn head_in_turn(&self, turn: S::Turn) -> Result<Checkpoint, AppendError> {
        let append = Append {
            expected: self.cache.at,
            ..Append::default()
        };
        Ok(match turn.append(&append).await? {
            Appended::HeadMoved(head) => head,
            Appended::Done { .. } | Appended::KnownKeys(_) => self.cache.at,
        })
    }
}
