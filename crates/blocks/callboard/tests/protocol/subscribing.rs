//! Replicas of one subscriber: judge, lock the checkpoint, apply, commit, acknowledge.

use crate::action::Action;
use crate::log::{Checkpoint, Event, Id, Log};
use crate::publishing::Publishing;
use crate::rules::{Broker, Rules, Scope};

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Subscribing {
    replicas: [Replica; 2],
    /// The row, and who has it locked.
    pub stored: Checkpoint,
    locked_by: Option<u8>,
    /// What was applied, in this order: the view.
    pub view: Vec<Id>,
    pub halted: bool,
    /// The view as it was when the log was put back under it.
    pub torn: Option<Vec<Id>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Replica {
    /// The checkpoint as it remembers it.
    at: Checkpoint,
    doing: Doing,
}

/// `of` is the position of the delivery that it is done for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
enum Doing {
    #[default]
    Nothing,
    Read {
        of: Option<u8>,
    },
    Apply {
        run: Vec<Event>,
        of: Option<u8>,
    },
    Locked {
        run: Vec<Event>,
        of: Option<u8>,
    },
    Acknowledge {
        of: u8,
    },
}

impl Doing {
    fn after(of: Option<u8>) -> Self {
        of.map_or(Self::Nothing, |of| Self::Acknowledge { of })
    }
}

#[derive(Debug, PartialEq)]
enum Verdict {
    Duplicate,
    Next,
    AskTheLog,
}

fn judge(at: Checkpoint, event: Event, rules: &Rules) -> Verdict {
    if event.position < at.position {
        Verdict::Duplicate
    } else if event.position == at.position {
        if event.id == at.id || !rules.compare_previous_id {
            Verdict::Duplicate
        } else {
            Verdict::AskTheLog
        }
    } else if event.position > at.position + 1 {
        if rules.insist_on_the_next {
            Verdict::AskTheLog
        } else {
            Verdict::Next
        }
    } else if event.previous == at.id || !rules.compare_previous_id {
        Verdict::Next
    } else {
        Verdict::AskTheLog
    }
}

impl Subscribing {
    /// Does it, if it is possible at present.
    pub fn step(&mut self, action: Action, log: &Log, broker: &mut Publishing, rules: &Rules, scope: Scope) -> bool {
        match action {
            Action::Deliver { replica, message } => {
                let events = if message.of_lost { &log.lost } else { &log.events };
                let event = events.iter().find(|event| event.position == message.position).copied();
                let there = scope.broker == Broker::Anything || broker.queue.has(message.position);
                event
                    .filter(|_| there)
                    .is_some_and(|event| self.deliver(replica, event, rules))
            }
            Action::Look { replica } => self.look(replica, log, rules),
            Action::ReadLog { replica } => self.read(replica, log, rules),
            Action::Lock { replica } => self.lock(replica, log, rules),
            Action::Commit { replica } => self.commit(replica),
            Action::Acknowledge { replica } => {
                let Doing::Acknowledge { of } = self.replicas[usize::from(replica)].doing else {
                    return false;
                };
                broker.queue.remove(of);
                self.replicas[usize::from(replica)].doing = Doing::Nothing;
                true
            }
            Action::CrashReplica { replica } => {
                let crashed = self.replicas[usize::from(replica)].doing != Doing::Nothing;
                self.unlock(replica);
                self.replicas[usize::from(replica)] = Replica {
                    at: self.stored,
                    doing: Doing::Nothing,
                };
                crashed
            }
            _ => unreachable!("not for a subscriber"),
        }
    }

    fn deliver(&mut self, replica: u8, event: Event, rules: &Rules) -> bool {
        let Replica { at, doing } = &mut self.replicas[usize::from(replica)];
        if self.halted || *doing != Doing::Nothing {
            return false;
        }
        let of = Some(event.position);
        *doing = match judge(*at, event, rules) {
            Verdict::Duplicate => Doing::Acknowledge { of: event.position },
            Verdict::Next => Doing::Apply { run: vec![event], of },
            Verdict::AskTheLog => Doing::Read { of },
        };
        true
    }

    fn look(&mut self, replica: u8, log: &Log, rules: &Rules) -> bool {
        let Replica { at, doing } = &mut self.replicas[usize::from(replica)];
        if !rules.heal || self.halted || *doing != Doing::Nothing || log.head() == self.stored {
            return false;
        }
        (*at, *doing) = (self.stored, Doing::Read { of: None });
        true
    }

    fn read(&mut self, replica: u8, log: &Log, rules: &Rules) -> bool {
        let Replica { at, doing } = &mut self.replicas[usize::from(replica)];
        let Doing::Read { of } = *doing else { return false };
        if self.halted {
            *doing = Doing::Nothing;
        } else if rules.compare_anchor && log.id_at(at.position) != Some(at.id) {
            if *at == self.stored || !rules.halt_by_what_is_stored {
                self.halted = true;
                *doing = Doing::Nothing;
            } else {
                *at = self.stored;
            }
        } else {
            let run = log.behind(at.position).to_vec();
            *doing = if run.is_empty() {
                Doing::after(of)
            } else {
                Doing::Apply { run, of }
            };
        }
        true
    }

    /// Locks the row and keeps of the run what continues it.
    fn lock(&mut self, replica: u8, log: &Log, rules: &Rules) -> bool {
        let stored = self.stored;
        let locked = self.locked_by.is_some() && rules.lock_checkpoint;
        let Replica { at, doing } = &mut self.replicas[usize::from(replica)];
        let Doing::Apply { run, of } = doing else { return false };
        let (mut run, of) = (std::mem::take(run), *of);
        if self.halted {
            *doing = Doing::Nothing;
            return true;
        }
        if locked {
            *doing = Doing::Apply { run, of };
            return false;
        }
        if rules.compare_checkpoint {
            run.retain(|event| judge(stored, *event, rules) != Verdict::Duplicate);
        }
        let mut end = if rules.compare_checkpoint { stored } else { *at };
        let mut continues = true;
        for event in &run {
            continues &= judge(end, *event, rules) == Verdict::Next;
            end = event.checkpoint();
        }
        let held = |last: &Event| log.id_at(last.position) == Some(last.id);
        if !continues || (rules.ask_the_log && !run.last().is_none_or(held)) {
            (*at, *doing) = (stored, Doing::Read { of });
        } else if run.is_empty() {
            (*at, *doing) = (stored, Doing::after(of));
        } else {
            *doing = Doing::Locked { run, of };
            self.locked_by = Some(replica);
        }
        true
    }

    fn commit(&mut self, replica: u8) -> bool {
        let Replica { at, doing } = &mut self.replicas[usize::from(replica)];
        let Doing::Locked { run, of } = doing else { return false };
        let last = run[run.len() - 1].checkpoint();
        self.view.extend(run.iter().map(|event| event.id));
        (self.stored, *at) = (last, last);
        *doing = Doing::after(*of);
        self.unlock(replica);
        true
    }

    fn unlock(&mut self, replica: u8) {
        if self.locked_by == Some(replica) {
            self.locked_by = None;
        }
    }

    /// The log was put back: alone, or with the view and its checkpoint. Open transactions are
    /// broken off; what is held in memory stays.
    pub fn put_back(&mut self, log: &Log, whole: bool) {
        self.locked_by = None;
        for replica in &mut self.replicas {
            if let Doing::Locked { run, of } = std::mem::take(&mut replica.doing) {
                replica.doing = Doing::Apply { run, of };
            }
        }
        let head = log.head();
        if self.stored.position > head.position {
            if whole {
                self.view.truncate(usize::from(head.position));
                self.stored = head;
            } else {
                self.torn = Some(self.view.clone());
            }
        }
    }

    /// Every view is the fold of a prefix of its log; one whose log was put back stays as it was.
    pub fn is_exact(&self, log: &Log) -> bool {
        match &self.torn {
            Some(torn) => self.view == *torn,
            None => {
                self.view.len() <= log.events.len() && self.view.iter().copied().eq(log.ids().take(self.view.len()))
            }
        }
    }

    /// Nothing is under way, and the view has the whole log, or says that it can't.
    pub fn is_settled(&self, log: &Log) -> bool {
        let idle = self.replicas.iter().all(|replica| replica.doing == Doing::Nothing);
        idle && if self.torn.is_some() {
            self.halted
        } else {
            self.view.iter().copied().eq(log.ids())
        }
    }
}
