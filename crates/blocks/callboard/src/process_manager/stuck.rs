//! Pending commands that failed for what they are, and when each is tried again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::PendingCommand;
use crate::names::Position;

/// A command at fault is tried again after so long, doubled with each try, up to the most.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
const AGAIN_AFTER_MOST: Duration = Duration::from_secs(60);

type Identity = (Position, u32);

struct Tried {
    wait: Duration,
    due: Instant,
}

/// The commands at fault. They are passed by until they are due, so that they hold up nobody.
#[derive(Default)]
pub(super) struct Stuck(BTreeMap<Identity, Tried>);

fn identity(command: &PendingCommand) -> Identity {
    (command.position, command.index)
}

impl Stuck {
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Takes out of the first `limit` pending ones what isn't to be tried now, and forgets what is
    /// pending no more.
    pub(super) fn pass_by(&mut self, pending: &mut Vec<PendingCommand>, limit: usize) {
        let still: BTreeSet<Identity> = pending.iter().map(identity).collect();
        // Behind what was read it may be pending as well.
        let seen_up_to = still.last().copied().filter(|_| pending.len() >= limit);
        self.0
            .retain(|stuck, _| still.contains(stuck) || seen_up_to.is_some_and(|last| *stuck > last));
        let now = Instant::now();
        pending.retain(|command| self.0.get(&identity(command)).is_none_or(|tried| tried.due <= now));
    }

    /// The command failed; whether for the first time.
    pub(super) fn failed(&mut self, command: &PendingCommand) -> bool {
        let before = self.0.get(&identity(command)).map(|tried| tried.wait);
        let wait = before.map_or(AGAIN_AFTER, |wait| (wait * 2).min(AGAIN_AFTER_MOST));
        let due = Instant::now() + wait;
        self.0.insert(identity(command), Tried { wait, due });
        before.is_none()
    }

    pub(super) fn answered(&mut self, command: &Identity) {
        self.0.remove(command);
    }
}
