//! A process manager's store in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::{Gate, lock};
use crate::log::Source;
use crate::names::{Checkpoint, Position};
use crate::process_manager::{Advanced, PendingCommand, ProcessManagerStore, Registration};
use crate::subscription::Lock;

#[derive(Default)]
struct Data {
    checkpoint: Option<Checkpoint>,
    pending: BTreeMap<(Position, u32), PendingCommand>,
}

/// Registration, checkpoint and pending commands in memory. Clones share them.
#[derive(Clone, Default)]
pub struct MemoryProcessManagerStore {
    data: Arc<Mutex<Data>>,
    gate: Gate,
}

impl MemoryProcessManagerStore {
    /// A store of a process manager that never started.
    pub fn new() -> Self {
        Self::default()
    }

    /// Pauses and resumes it.
    pub fn gate(&self) -> Gate {
        self.gate.clone()
    }
}

impl ProcessManagerStore for MemoryProcessManagerStore {
    async fn load(&self) -> Result<Registration, Source> {
        Ok(Registration::in_memory(self.gate.closed(), lock(&self.data).checkpoint))
    }

    async fn register(&self, at: Checkpoint) -> Result<(), Source> {
        lock(&self.data).checkpoint.get_or_insert(at);
        Ok(())
    }

    async fn advance(
        &self,
        from: Checkpoint,
        to: Checkpoint,
        commands: &[PendingCommand],
        _lock: Lock,
    ) -> Result<Advanced, Source> {
        let mut data = lock(&self.data);
        match data.checkpoint {
            Some(checkpoint) if checkpoint == from => {}
            other => return Ok(Advanced::Elsewhere(other.unwrap_or_default())),
        }
        data.checkpoint = Some(to);
        for command in commands {
            data.pending.insert((command.position, command.index), command.clone());
        }
        Ok(Advanced::Done)
    }

    async fn pending(&self, limit: usize) -> Result<Vec<PendingCommand>, Source> {
        Ok(lock(&self.data).pending.values().take(limit).cloned().collect())
    }

    async fn answered(&self, commands: &[(Position, u32)]) -> Result<(), Source> {
        let mut data = lock(&self.data);
        for command in commands {
            data.pending.remove(command);
        }
        Ok(())
    }

    async fn halt(&self, reason: &str) -> Result<(), Source> {
        self.gate.halt(reason);
        Ok(())
    }
}
