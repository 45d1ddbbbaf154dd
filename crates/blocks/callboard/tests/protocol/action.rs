//! Everything that can happen: to the model, and to the real state machines.

use crate::rules::{Broker, Scope};

/// What becomes of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It commits, and the answer arrives.
    Answered,
    /// It commits, and the answer is lost.
    AnswerLost,
    /// It is lost, and nobody knows.
    Lost,
    /// It seems lost, but is under way: it may land later.
    Late,
}

/// Which event a message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Message {
    pub position: u8,
    /// The event of the timeline that was lost.
    pub of_lost: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Client 0 has a key and repeats itself; the others send once.
    Send {
        client: u8,
        writer: u8,
    },
    /// The append (or, for a refusal, the look at the head) of what a writer has decided.
    Append {
        writer: u8,
        fate: Fate,
    },
    /// An append that was under way lands.
    Land,
    CrashWriter {
        writer: u8,
    },
    /// An event is recorded; how is of no interest.
    Record,
    /// The log is put back to this head: alone, or with all that its database holds.
    Restore {
        head: u8,
        whole: bool,
    },

    /// A relay reads `published`.
    Begin {
        relay: u8,
    },
    /// It sends the next event, and the broker takes it or not.
    Publish {
        relay: u8,
        taken: bool,
    },
    Confirm {
        relay: u8,
    },
    Advance {
        relay: u8,
    },
    CrashRelay {
        relay: u8,
    },

    /// The broker drops a message of its queue.
    Drop {
        position: u8,
    },
    /// The broker delivers once more what was acknowledged.
    Again {
        position: u8,
    },
    Purge,

    Deliver {
        replica: u8,
        message: Message,
    },
    /// The idle look of a replica, whose checkpoint stands behind the head.
    Look {
        replica: u8,
    },
    ReadLog {
        replica: u8,
    },
    /// Locks the checkpoint and judges the run by it.
    Lock {
        replica: u8,
    },
    Commit {
        replica: u8,
    },
    Acknowledge {
        replica: u8,
    },
    CrashReplica {
        replica: u8,
    },

    /// A process manager reads what is behind its checkpoint, and decides.
    React {
        manager: u8,
    },
    Store {
        manager: u8,
        fate: Fate,
    },
    /// Its dispatcher sends the first pending command.
    Dispatch {
        manager: u8,
        fate: Fate,
    },
    /// It deletes what was answered.
    Forget {
        manager: u8,
    },
    CrashManager {
        manager: u8,
    },
}

impl Action {
    /// Whether it is a fault: no calm continuation has it.
    pub fn is_fault(self) -> bool {
        match self {
            Self::Append { fate, .. } | Self::Store { fate, .. } | Self::Dispatch { fate, .. } => {
                fate != Fate::Answered
            }
            Self::Publish { taken, .. } => !taken,
            Self::CrashWriter { .. }
            | Self::Restore { .. }
            | Self::CrashRelay { .. }
            | Self::Drop { .. }
            | Self::Again { .. }
            | Self::Purge
            | Self::CrashReplica { .. }
            | Self::CrashManager { .. } => true,
            _ => false,
        }
    }
}

impl Scope {
    fn most_events(self) -> u8 {
        self.records + self.sends.min(1) * (1 + u8::from(self.managers > 0)) + self.withdrawals
    }

    /// Everything that can happen in this scope, what brings things to their end first.
    pub fn alphabet(self) -> Vec<Action> {
        let mut all = Vec::new();
        for replica in 0..self.replicas {
            all.extend([
                Action::Acknowledge { replica },
                Action::Commit { replica },
                Action::Lock { replica },
                Action::ReadLog { replica },
            ]);
        }
        for writer in 0..self.writers {
            for fate in [Fate::Answered, Fate::AnswerLost, Fate::Lost, Fate::Late] {
                all.push(Action::Append { writer, fate });
            }
            all.push(Action::CrashWriter { writer });
        }
        if self.writers > 0 {
            all.push(Action::Land);
        }
        for writer in 0..self.writers {
            let clients = (0..=self.withdrawals).filter(|client| *client > 0 || self.sends > 0);
            all.extend(clients.map(|client| Action::Send { client, writer }));
        }
        if self.records > 0 {
            all.push(Action::Record);
        }
        for manager in 0..self.managers {
            all.push(Action::Forget { manager });
            for fate in [Fate::Answered, Fate::AnswerLost, Fate::Lost] {
                all.extend([Action::Store { manager, fate }, Action::Dispatch { manager, fate }]);
            }
            all.extend([Action::React { manager }, Action::CrashManager { manager }]);
        }
        for relay in 0..self.relays {
            all.extend([
                Action::Advance { relay },
                Action::Confirm { relay },
                Action::Publish { relay, taken: true },
                Action::Publish { relay, taken: false },
                Action::Begin { relay },
                Action::CrashRelay { relay },
            ]);
        }
        self.deliveries(&mut all);
        all
    }

    fn deliveries(self, all: &mut Vec<Action>) {
        let positions = 1..=self.most_events();
        if self.broker == Broker::Queue {
            all.push(Action::Purge);
            all.extend(
                positions
                    .clone()
                    .flat_map(|position| [Action::Drop { position }, Action::Again { position }]),
            );
        }
        for replica in 0..self.replicas {
            for position in positions.clone() {
                let message = |of_lost| Message { position, of_lost };
                all.push(Action::Deliver {
                    replica,
                    message: message(false),
                });
                if self.restores {
                    all.push(Action::Deliver {
                        replica,
                        message: message(true),
                    });
                }
            }
            all.extend([Action::Look { replica }, Action::CrashReplica { replica }]);
        }
        if self.restores {
            all.extend((0..self.records).flat_map(|head| [true, false].map(|whole| Action::Restore { head, whole })));
        }
    }
}
