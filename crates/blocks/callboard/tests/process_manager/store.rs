//! A process manager's store in memory that asks the log whether it holds the checkpoint, and that
//! fails when told to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use callboard::log::Source;
use callboard::memory::{Gate, MemoryProcessManagerStore};
use callboard::parking::ParkedEvent;
use callboard::process_manager::{
    Advance, Advanced, LeftOut, PendingCommand, ProcessManagerStore, Registration, TakeUp,
};
use callboard::subscription::Lock;
use callboard::{Checkpoint, Position};

/// What a call meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    Fine,
    /// Nothing was done.
    Away,
    /// It was done and the answer is lost.
    AnswerLost,
    /// Another replica holds the checkpoint.
    Busy,
}

#[derive(Default)]
struct Script {
    advances: VecDeque<Trouble>,
    answers: VecDeque<Trouble>,
    loads_fail: usize,
    without_checkpoint: bool,
    registered: Vec<Checkpoint>,
    advanced: Vec<(u64, u64)>,
    halted: Option<String>,
}

#[derive(Clone, Default)]
pub struct Store {
    inner: MemoryProcessManagerStore,
    script: Arc<Mutex<Script>>,
}

impl Store {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("no test panics while it holds the script")
    }

    pub fn next_advances(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.script().advances.extend(troubles);
    }

    pub fn next_answers(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.script().answers.extend(troubles);
    }

    pub fn fail_loads(&self, times: usize) {
        self.script().loads_fail = times;
    }

    /// Pauses and resumes it.
    pub fn gate(&self) -> Gate {
        self.inner.gate()
    }

    /// Its checkpoint row is deleted.
    pub fn lose_checkpoint(&self) {
        self.script().without_checkpoint = true;
    }

    pub fn registered(&self) -> Vec<Checkpoint> {
        self.script().registered.clone()
    }

    /// From where to where it was advanced.
    pub fn advanced(&self) -> Vec<(u64, u64)> {
        self.script().advanced.clone()
    }

    pub fn halted(&self) -> Option<String> {
        self.script().halted.clone()
    }

    pub async fn position(&self) -> Position {
        match self.inner.load().await.expect("it can be read") {
            Registration::At(checkpoint) => checkpoint.position,
            other => panic!("{other:?}"),
        }
    }
}

fn away() -> Source {
    "the database is away".into()
}

impl ProcessManagerStore for Store {
    async fn load(&self) -> Result<Registration, Source> {
        {
            let mut script = self.script();
            if script.loads_fail > 0 {
                script.loads_fail -= 1;
                return Err(away());
            }
            if script.without_checkpoint {
                return Ok(Registration::WithoutCheckpoint);
            }
        }
        self.inner.load().await
    }

    async fn register(&self, at: Checkpoint) -> Result<(), Source> {
        self.script().registered.push(at);
        self.inner.register(at).await
    }

    async fn advance(&self, advance: Advance<'_>, lock: Lock) -> Result<Advanced, Source> {
        let trouble = self.script().advances.pop_front().unwrap_or(Trouble::Fine);
        match trouble {
            Trouble::Away => return Err(away()),
            Trouble::Busy if lock == Lock::Skip => return Ok(Advanced::Busy),
            _ => {}
        }
        let advanced = self.inner.advance(advance, lock).await?;
        if advanced == Advanced::Done {
            self.script()
                .advanced
                .push((advance.from.position.get(), advance.to.position.get()));
        }
        if trouble == Trouble::AnswerLost {
            Err(away())
        } else {
            Ok(advanced)
        }
    }

    async fn pending(&self, limit: usize) -> Result<Vec<PendingCommand>, Source> {
        self.inner.pending(limit).await
    }

    async fn answered(&self, commands: &[(Position, u32)]) -> Result<(), Source> {
        let trouble = self.script().answers.pop_front().unwrap_or(Trouble::Fine);
        if trouble == Trouble::Away {
            return Err(away());
        }
        self.inner.answered(commands).await?;
        if trouble == Trouble::AnswerLost {
            Err(away())
        } else {
            Ok(())
        }
    }

    async fn halt(&self, reason: &str) -> Result<(), Source> {
        self.script().halted = Some(reason.to_owned());
        self.inner.halt(reason).await
    }

    async fn left_out(&self) -> Result<LeftOut, Source> {
        self.inner.left_out().await
    }

    async fn take_up(&self, retried: TakeUp<'_>) -> Result<bool, Source> {
        self.inner.take_up(retried).await
    }

    async fn note_failed_retry(&self, position: Position, reason: &str) -> Result<(), Source> {
        self.inner.note_failed_retry(position, reason).await
    }

    async fn discard(&self, position: Position, because: &str) -> Result<Option<ParkedEvent>, Source> {
        self.inner.discard(position, because).await
    }
}
