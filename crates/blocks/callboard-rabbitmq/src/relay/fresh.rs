//! What the writer in this process has just recorded, or has met of another one's.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use callboard::Recorded;

use crate::recent::bytes;

/// The most events that wait here.
const MAX_EVENTS: usize = 20_000;
/// The most bytes of event data that wait here.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Runs of fresh events between the writer and the relay. What doesn't fit is dropped, because the
/// log has it; so the writer never waits and memory is bounded.
#[derive(Default)]
pub(super) struct Fresh(Mutex<Runs>);

#[derive(Default)]
struct Runs {
    /// Whether a relay takes them; one that stands by would only fill memory.
    open: bool,
    runs: VecDeque<Arc<[Recorded]>>,
    events: usize,
    bytes: usize,
}

impl Fresh {
    pub(super) fn push(&self, run: &Arc<[Recorded]>) {
        let mut runs = self.lock();
        let (events, bytes) = (runs.events + run.len(), runs.bytes + bytes(run));
        if runs.open && !run.is_empty() && events <= MAX_EVENTS && bytes <= MAX_BYTES {
            (runs.events, runs.bytes) = (events, bytes);
            runs.runs.push_back(run.clone());
        }
    }

    pub(super) fn pop(&self) -> Option<Arc<[Recorded]>> {
        let mut runs = self.lock();
        let run = runs.runs.pop_front()?;
        runs.events -= run.len();
        runs.bytes -= bytes(&run);
        Some(run)
    }

    pub(super) fn open(&self) {
        *self.lock() = Runs {
            open: true,
            ..Runs::default()
        };
    }

    pub(super) fn close(&self) {
        *self.lock() = Runs::default();
    }

    fn lock(&self) -> MutexGuard<'_, Runs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
