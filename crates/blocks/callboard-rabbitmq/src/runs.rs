//! Runs of events as a writer hands them over, with what they hold counted.

use std::collections::VecDeque;
use std::sync::Arc;

use callboard::Recorded;

/// Runs of events, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    runs: VecDeque<Arc<[Recorded]>>,
    events: usize,
    bytes: usize,
}

impl Runs {
    pub(crate) fn push(&mut self, run: Arc<[Recorded]>) {
        self.events += run.len();
        self.bytes += bytes(&run);
        self.runs.push_back(run);
    }

    /// Takes the oldest run out.
    pub(crate) fn pop(&mut self) -> Option<Arc<[Recorded]>> {
        let run = self.runs.pop_front()?;
        self.events -= run.len();
        self.bytes -= bytes(&run);
        Some(run)
    }

    /// Whether they stay within so many events and bytes, this run included.
    pub(crate) fn fit_with(&self, run: &[Recorded], (events, bytes_of_data): (usize, usize)) -> bool {
        self.events + run.len() <= events && self.bytes + bytes(run) <= bytes_of_data
    }

    /// Every event, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Recorded> {
        self.runs.iter().flat_map(|run| run.iter())
    }

    pub(crate) fn last(&self) -> Option<&Recorded> {
        self.runs.back().and_then(|run| run.last())
    }
}

/// Bytes of event data.
pub(crate) fn bytes(run: &[Recorded]) -> usize {
    run.iter().map(|recorded| recorded.event.data.get().len()).sum()
}
