//! The log of the model, and its append.

use crate::rules::Rules;

/// Who wants an event: a client, or a process manager for the event at a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum By {
    Client(u8),
    Manager(u8),
    Anyone,
}

impl By {
    /// Whether its commands have a key.
    pub fn has_key(self) -> bool {
        matches!(self, Self::Client(0) | Self::Manager(_))
    }
}

/// An event's id; 0 is the nil one.
pub type Id = u8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Event {
    pub position: u8,
    pub id: Id,
    pub previous: Id,
    pub by: By,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Checkpoint {
    pub position: u8,
    pub id: Id,
}

impl Event {
    pub fn checkpoint(self) -> Checkpoint {
        Checkpoint {
            position: self.position,
            id: self.id,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Append {
    pub expected: Checkpoint,
    pub id: Id,
    pub by: By,
    /// False when it only looks its key up, for a refusal.
    pub records: bool,
}

pub enum Appended {
    Done,
    Known(Id),
    Moved,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Log {
    pub events: Vec<Event>,
    pub keys: Vec<(By, Id)>,
    /// What a restore took away.
    pub lost: Vec<Event>,
    /// How many ids were given here.
    given: u8,
}

impl Log {
    pub fn head(&self) -> Checkpoint {
        self.events
            .last()
            .map_or(Checkpoint::default(), |event| event.checkpoint())
    }

    /// The id at a position, if the log has it.
    pub fn id_at(&self, position: u8) -> Option<Id> {
        match position {
            0 => Some(0),
            number => self.events.get(usize::from(number) - 1).map(|event| event.id),
        }
    }

    pub fn behind(&self, position: u8) -> &[Event] {
        self.events.get(usize::from(position)..).unwrap_or_default()
    }

    pub fn ids(&self) -> impl Iterator<Item = Id> + '_ {
        self.events.iter().map(|event| event.id)
    }

    pub fn count(&self, by: By) -> usize {
        self.events.iter().filter(|event| event.by == by).count()
    }

    pub fn append(&mut self, append: &Append, rules: &Rules) -> Appended {
        let first = append.expected.position + 1;
        if append.records && self.id_at(first) == Some(append.id) {
            return Appended::Done;
        }
        if rules.check_keys
            && append.by.has_key()
            && let Some((_, id)) = self.keys.iter().find(|(by, _)| *by == append.by)
        {
            return Appended::Known(*id);
        }
        if rules.compare_head && self.head() != append.expected {
            return Appended::Moved;
        }
        if append.records {
            self.record(append);
        }
        Appended::Done
    }

    fn record(&mut self, append: &Append) {
        self.events.push(Event {
            position: append.expected.position + 1,
            id: append.id,
            previous: self.head().id,
            by: append.by,
        });
        if append.by.has_key() {
            self.keys.push((append.by, append.id));
        }
    }

    /// Appends without a writer, at the head; as often as that is asked, unless a key forbids it.
    pub fn append_at_head(&mut self, by: By, rules: &Rules) {
        self.given += 1;
        let append = Append {
            expected: self.head(),
            id: 100 + self.given,
            by,
            records: true,
        };
        let _ = self.append(&append, rules);
    }

    pub fn put_back_to(&mut self, head: u8) {
        self.lost = self.events.split_off(usize::from(head));
        let events = &self.events;
        self.keys.retain(|(by, _)| events.iter().any(|event| event.by == *by));
    }
}
