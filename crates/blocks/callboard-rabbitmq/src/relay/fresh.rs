//! What the writer in this process has just recorded, or has met of another one's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use callboard::Recorded;

use crate::runs::Runs;

/// The most events that wait here.
const MAX_EVENTS: usize = 20_000;
/// The most bytes of event data that wait here.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Runs of fresh events between the writer and the relay. What doesn't fit is dropped, because the
/// log has it; so the writer never waits and memory is bounded.
#[derive(Default)]
pub(super) struct Fresh(Mutex<Option<Runs>>);

impl Fresh {
    pub(super) fn push(&self, run: &Arc<[Recorded]>) {
        if let Some(runs) = &mut *self.lock()
            && !run.is_empty()
            && runs.fit_with(run, (MAX_EVENTS, MAX_BYTES))
        {
            runs.push(run.clone());
        }
    }

    pub(super) fn pop(&self) -> Option<Arc<[Recorded]>> {
        self.lock().as_mut()?.pop()
    }

    /// From now on a relay takes them; before, they would only fill memory.
    pub(super) fn open(&self) {
        *self.lock() = Some(Runs::default());
    }

    pub(super) fn close(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Runs>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
