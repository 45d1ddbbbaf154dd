//! A process manager's store in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::projection::parked_at_present;
use super::{Gate, lock};
use crate::log::Source;
use crate::names::{Checkpoint, Position};
use crate::parking::{Block, ParkedEvent};
use crate::process_manager::{
    Advance, Advanced, LeftOut, PendingCommand, ProcessManagerStore, Registration, TakeUp, ToPark,
};
use crate::subscription::Lock;

#[derive(Default)]
struct Data {
    checkpoint: Option<Checkpoint>,
    pending: BTreeMap<(Position, u32), PendingCommand>,
    parked: BTreeMap<Position, ParkedEvent>,
    discarded: Vec<Position>,
}

impl Data {
    fn left_out(&self) -> LeftOut {
        LeftOut {
            parked: self.parked.values().cloned().collect(),
            discarded: self.discarded.clone(),
        }
    }

    fn store(&mut self, commands: &[PendingCommand]) {
        for command in commands {
            let identity = (command.position, command.index);
            self.pending.entry(identity).or_insert_with(|| command.clone());
        }
    }

    fn park(&mut self, event: &ToPark) {
        let ToPark {
            position,
            stream,
            cause,
            reason,
        } = event.clone();
        let blocks = vec![Block::stream(&stream)];
        let parked = parked_at_present(position, stream, blocks, cause, reason);
        self.parked.insert(position, parked);
    }
}

/// Registration, checkpoint, pending commands and parked events in memory. Clones share them.
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

    async fn advance(&self, advance: Advance<'_>, _lock: Lock) -> Result<Advanced, Source> {
        let mut data = lock(&self.data);
        let checkpoint = data.checkpoint.unwrap_or_default();
        if checkpoint != advance.from || data.left_out().positions() != advance.left_out {
            return Ok(Advanced::Elsewhere(checkpoint));
        }
        data.checkpoint = Some(advance.to);
        data.store(advance.commands);
        for event in advance.parked {
            data.park(event);
        }
        Ok(Advanced::Done)
    }

    async fn pending(&self, limit: usize) -> Result<Vec<PendingCommand>, Source> {
        if self.gate.closed().is_some() {
            return Ok(Vec::new());
        }
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

    async fn halt_at_unknown(&self, position: Position, reason: &str) -> Result<(), Source> {
        self.gate.halt_at_unknown(position, reason);
        Ok(())
    }

    async fn halted_at_unknown(&self) -> Result<Option<Position>, Source> {
        Ok(self.gate.halted_at_unknown())
    }

    async fn resume_at_unknown(&self, position: Position) -> Result<(), Source> {
        self.gate.resume_at_unknown(position);
        Ok(())
    }

    async fn left_out(&self) -> Result<LeftOut, Source> {
        Ok(lock(&self.data).left_out())
    }

    async fn take_up(&self, retried: TakeUp<'_>) -> Result<bool, Source> {
        let mut data = lock(&self.data);
        if data.left_out().positions() != retried.left_out {
            return Ok(false);
        }
        data.store(retried.commands);
        data.parked.retain(|position, _| !retried.positions.contains(position));
        Ok(true)
    }

    async fn note_failed_retry(&self, position: Position, reason: &str) -> Result<(), Source> {
        if let Some(parked) = lock(&self.data).parked.get_mut(&position) {
            parked.retry_failed(reason);
        }
        Ok(())
    }

    async fn discard(&self, position: Position, _because: &str) -> Result<Option<ParkedEvent>, Source> {
        let mut data = lock(&self.data);
        let discarded = data.parked.remove(&position);
        data.discarded.extend(discarded.iter().map(|parked| parked.position));
        Ok(discarded)
    }
}
