//! Relays, and the broker's queue.

use crate::action::Action;
use crate::log::Log;
use crate::rules::Rules;

/// Positions, a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Positions(u16);

impl Positions {
    pub fn has(self, position: u8) -> bool {
        self.0 & (1 << position) != 0
    }

    fn add(&mut self, position: u8) {
        self.0 |= 1 << position;
    }

    pub fn remove(&mut self, position: u8) {
        self.0 &= !(1 << position);
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Publishing {
    relays: [Option<Turn>; 2],
    pub published: u8,
    /// The furthest that it ever was.
    pub furthest: u8,
    /// What the broker has taken, at any time.
    pub taken: Positions,
    pub queue: Positions,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Turn {
    from: u8,
    sent: u8,
    confirmed: u8,
    /// The first that the broker didn't take.
    refused: Option<u8>,
}

impl Publishing {
    /// Does it, if it is possible at present.
    pub fn step(&mut self, action: Action, log: &Log, rules: &Rules) -> bool {
        match action {
            Action::Begin { relay } => self.begin(relay, log),
            Action::Publish { relay, taken } => self.publish(relay, taken, log),
            Action::Confirm { relay } => self.confirm(relay),
            Action::Advance { relay } => self.advance(relay, rules),
            Action::CrashRelay { relay } => self.relays[usize::from(relay)].take().is_some(),
            Action::Drop { position } => {
                let held = self.queue.has(position);
                self.queue.remove(position);
                held
            }
            Action::Again { position } => {
                let possible = self.taken.has(position) && !self.queue.has(position);
                if possible {
                    self.queue.add(position);
                }
                possible
            }
            Action::Purge => {
                let held = !self.queue.is_empty();
                self.queue = Positions::default();
                held
            }
            _ => unreachable!("not for a relay or the broker"),
        }
    }

    fn begin(&mut self, relay: u8, log: &Log) -> bool {
        let from = self.published;
        let turn = &mut self.relays[usize::from(relay)];
        if turn.is_some() || from >= log.head().position {
            return false;
        }
        *turn = Some(Turn {
            from,
            sent: from,
            confirmed: from,
            refused: None,
        });
        true
    }

    fn publish(&mut self, relay: u8, taken: bool, log: &Log) -> bool {
        let Some(turn) = &mut self.relays[usize::from(relay)] else {
            return false;
        };
        if turn.sent >= log.head().position {
            return false;
        }
        turn.sent += 1;
        if taken {
            self.taken.add(turn.sent);
            self.queue.add(turn.sent);
        } else {
            turn.refused.get_or_insert(turn.sent);
        }
        true
    }

    fn confirm(&mut self, relay: u8) -> bool {
        let slot = &mut self.relays[usize::from(relay)];
        let Some(turn) = slot else { return false };
        if turn.confirmed >= turn.sent {
            return false;
        }
        if turn.refused == Some(turn.confirmed + 1) {
            // The turn ends at the first that isn't confirmed.
            *slot = None;
        } else {
            turn.confirmed += 1;
        }
        true
    }

    fn advance(&mut self, relay: u8, rules: &Rules) -> bool {
        let slot = &mut self.relays[usize::from(relay)];
        let Some(turn) = slot else { return false };
        let to = if rules.advance_over_confirmed {
            turn.confirmed
        } else {
            turn.sent
        };
        if to <= turn.from {
            return false;
        }
        if rules.compare_published && turn.from != self.published {
            *slot = None;
            return true;
        }
        (turn.from, self.published) = (to, to);
        turn.confirmed = turn.confirmed.max(to);
        self.furthest = self.furthest.max(to);
        true
    }
}
