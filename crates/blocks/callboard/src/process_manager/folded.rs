//! A process manager's state as of a position, and what it makes of the next event.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::event::{Log, Recorded};
use crate::log::Source;
use crate::names::{Checkpoint, Position};
use crate::panic_text;
use crate::process_manager::{PendingCommand, ProcessManager};

type EventOf<M> = <<M as ProcessManager>::Log as Log>::Event;

/// An event that the process manager can't take in, or react to.
pub(super) struct Unfit {
    pub at: Position,
    pub source: Source,
}

/// The fold of a log up to `at`, without what it leaves out.
pub(super) struct Folded<M: ProcessManager> {
    state: M::State,
    at: Checkpoint,
}

impl<M: ProcessManager> Default for Folded<M> {
    fn default() -> Self {
        Self {
            state: M::State::default(),
            at: Checkpoint::START,
        }
    }
}

impl<M: ProcessManager> Folded<M> {
    /// What has been folded, or left out.
    pub fn at(&self) -> Checkpoint {
        self.at
    }

    /// Leaves an event out.
    pub fn leave_out(&mut self, event: Checkpoint) {
        self.at = event;
    }

    /// Takes an event in. On an error the fold begins anew, for the state may be half changed.
    pub fn evolve(&mut self, event: &Recorded<EventOf<M>>) -> Result<(), Unfit> {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| M::evolve(&mut self.state, event))) {
            *self = Self::default();
            return Err(unfit(event.position, panic_text(&*panic)));
        }
        self.at = event.checkpoint();
        Ok(())
    }

    /// What the event that was taken in last calls for. On an error the fold begins anew, for the event
    /// is to be left out.
    pub fn react(&mut self, event: &Recorded<EventOf<M>>) -> Result<Vec<PendingCommand>, Unfit> {
        let reaction = self.try_react(event);
        if reaction.is_err() {
            *self = Self::default();
        }
        reaction
    }

    fn try_react(&self, event: &Recorded<EventOf<M>>) -> Result<Vec<PendingCommand>, Unfit> {
        let reaction = catch_unwind(AssertUnwindSafe(|| M::react(&self.state, event)))
            .map_err(|panic| unfit(event.position, panic_text(&*panic)))?;
        reaction
            .into_commands()
            .zip(0..)
            .map(|(command, index)| {
                let (name, body) = command.map_err(|error| unfit(event.position, error))?;
                Ok(PendingCommand {
                    position: event.position,
                    index,
                    name: name.into(),
                    body,
                    causation_id: event.id,
                    correlation_id: event.metadata.correlation_id.clone(),
                    traceparent: event.metadata.traceparent.clone(),
                })
            })
            .collect()
    }

    /// Takes a raw event in.
    pub fn take_in(&mut self, event: &Recorded) -> Result<Recorded<EventOf<M>>, Unfit> {
        let event = event.decode().map_err(|error| unfit(event.position, error))?;
        self.evolve(&event)?;
        Ok(event)
    }
}

fn unfit(at: Position, source: impl Into<Source>) -> Unfit {
    let source = source.into();
    Unfit { at, source }
}
