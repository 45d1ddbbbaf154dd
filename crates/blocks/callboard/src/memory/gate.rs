//! Whether a subscriber in memory may run: what its row says in a database.

use std::sync::{Arc, Mutex};

use super::lock;
use crate::names::Position;

/// Lets a subscriber run, or not. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<Mutex<Option<Closed>>>);

#[derive(Debug, Clone)]
struct Closed {
    state: &'static str,
    reason: String,
    /// What it halted at because its code didn't know it.
    unknown: Option<Position>,
}

impl Gate {
    /// Lets it run no more until it is resumed; others read the reason.
    pub fn pause(&self, reason: &str) {
        self.close("paused", reason, None);
    }

    /// Lets it go on behind its checkpoint.
    pub fn resume(&self) {
        *lock(&self.0) = None;
    }

    /// `running`, `paused` or `halted`, with the reason.
    pub fn state(&self) -> (&'static str, Option<String>) {
        let closed = lock(&self.0).clone();
        closed.map_or(("running", None), |closed| (closed.state, Some(closed.reason)))
    }

    pub(super) fn halt(&self, reason: &str) {
        self.close("halted", reason, None);
    }

    pub(super) fn halt_at_unknown(&self, position: Position, reason: &str) {
        self.close("halted", reason, Some(position));
    }

    pub(super) fn halted_at_unknown(&self) -> Option<Position> {
        lock(&self.0).as_ref().and_then(|closed| closed.unknown)
    }

    pub(super) fn resume_at_unknown(&self, position: Position) {
        lock(&self.0).take_if(|closed| closed.unknown == Some(position));
    }

    /// Why it stands by, while it does.
    pub(super) fn closed(&self) -> Option<String> {
        let closed = lock(&self.0);
        closed
            .as_ref()
            .map(|Closed { state, reason, .. }| format!("{state}: {reason}"))
    }

    fn close(&self, state: &'static str, reason: &str, unknown: Option<Position>) {
        *lock(&self.0) = Some(Closed {
            state,
            reason: reason.to_owned(),
            unknown,
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::memory::MemoryProcessManagerStore;
    use crate::names::Checkpoint;
    use crate::process_manager::{ProcessManagerStore, Registration};

    #[tokio::test]
    async fn a_paused_process_manager_stands_by_until_it_is_resumed() {
        let store = MemoryProcessManagerStore::new();
        store.register(Checkpoint::START).await.expect("memory is always there");
        store.gate().pause("a closer look");
        let loaded = store.load().await;
        assert!(
            matches!(&loaded, Ok(Registration::StandBy(reason)) if reason == "paused: a closer look"),
            "{loaded:?}"
        );
        store.gate().resume();
        assert!(matches!(store.load().await, Ok(Registration::At(Checkpoint::START))));
        assert_eq!(store.gate().state(), ("running", None));
    }
}
