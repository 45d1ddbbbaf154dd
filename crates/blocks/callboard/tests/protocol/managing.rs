//! Replicas of a process manager: one command for each event that isn't its own doing.

use crate::action::{Action, Fate};
use crate::log::{By, Log};
use crate::rules::Rules;

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Managing {
    managers: [Manager; 2],
    /// The checkpoint, and the events whose commands are pending.
    stored: u8,
    pending: Vec<u8>,
    /// Every command that was ever stored.
    pub ever_stored: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Manager {
    decided: Option<Decided>,
    /// Answered, and not yet deleted.
    answered: Option<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Decided {
    from: u8,
    to: u8,
    commands: Vec<u8>,
    /// The commands are stored, the checkpoint isn't.
    half_stored: bool,
}

impl Managing {
    /// Does it, if it is possible at present.
    pub fn step(&mut self, action: Action, log: &mut Log, rules: &Rules) -> bool {
        match action {
            Action::React { manager } => self.react(manager, log),
            Action::Store { manager, fate } => self.store(manager, fate, rules),
            Action::Dispatch { manager, fate } => self.dispatch(manager, fate, log, rules),
            Action::Forget { manager } => {
                let answered = self.managers[usize::from(manager)].answered.take();
                self.pending.retain(|pending| Some(*pending) != answered);
                answered.is_some()
            }
            Action::CrashManager { manager } => {
                std::mem::take(&mut self.managers[usize::from(manager)]) != Manager::default()
            }
            _ => unreachable!("not for a process manager"),
        }
    }

    fn react(&mut self, manager: u8, log: &Log) -> bool {
        let decided = &mut self.managers[usize::from(manager)].decided;
        let events = log.behind(self.stored);
        let Some(last) = events.last().filter(|_| decided.is_none()) else {
            return false;
        };
        let called_for = events.iter().filter(|event| !matches!(event.by, By::Manager(_)));
        *decided = Some(Decided {
            from: self.stored,
            to: last.position,
            commands: called_for.map(|event| event.position).collect(),
            half_stored: false,
        });
        true
    }

    fn store(&mut self, manager: u8, fate: Fate, rules: &Rules) -> bool {
        let Some(decided) = self.managers[usize::from(manager)].decided.clone() else {
            return false;
        };
        let current = !rules.compare_reaction || decided.from == self.stored;
        if fate != Fate::Lost && current {
            if !decided.half_stored {
                self.store_commands(&decided.commands);
            }
            if !rules.store_commands_with_checkpoint && !decided.half_stored {
                self.managers[usize::from(manager)].decided = Some(Decided {
                    half_stored: true,
                    ..decided
                });
                return fate == Fate::Answered;
            }
            self.stored = decided.to;
        }
        if fate == Fate::Answered {
            self.managers[usize::from(manager)].decided = None;
        }
        true
    }

    fn store_commands(&mut self, commands: &[u8]) {
        self.ever_stored.extend(commands);
        self.ever_stored.sort_unstable();
        self.pending.extend(commands);
        self.pending.sort_unstable();
        self.pending.dedup();
    }

    fn dispatch(&mut self, manager: u8, fate: Fate, log: &mut Log, rules: &Rules) -> bool {
        let answered = &mut self.managers[usize::from(manager)].answered;
        let Some(first) = self.pending.first().copied().filter(|_| answered.is_none()) else {
            return false;
        };
        if !rules.forget_after_answer {
            self.pending.remove(0);
        }
        if fate != Fate::Lost {
            log.append_at_head(By::Manager(first), rules);
        }
        if fate == Fate::Answered {
            *answered = Some(first);
        }
        true
    }

    /// Nothing is under way or pending, and each event that calls for a command has its effect.
    pub fn is_settled(&self, log: &Log) -> bool {
        let calls = log.events.iter().filter(|event| !matches!(event.by, By::Manager(_)));
        self.pending.is_empty()
            && self.managers.iter().all(|manager| *manager == Manager::default())
            && calls
                .into_iter()
                .all(|event| log.count(By::Manager(event.position)) == 1)
    }
}
