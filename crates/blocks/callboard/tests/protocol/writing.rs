//! Writers and their clients.
//!
//! Client 0 deposits 1 with a key and may repeat itself; each other client withdraws 1 once, and is
//! refused when there is nothing to withdraw.

use crate::action::{Action, Fate};
use crate::log::{Append, Appended, By, Checkpoint, Event, Id, Log};
use crate::rules::{Rules, Scope};

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Writing {
    pub writers: [Writer; 2],
    pub clients: [Client; 3],
    pub under_way: Option<Append>,
    /// Somebody was refused for what was never so while the command was in progress.
    pub wrong_refusal: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Writer {
    at: Checkpoint,
    batch: Option<Batch>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Batch {
    client: u8,
    append: Append,
    /// The head when the command was sent.
    sent_at: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Client {
    sent: u8,
    decided: u8,
    pub answer: Option<Id>,
    pub refused: bool,
    /// It was answered otherwise before.
    pub answered_otherwise: bool,
}

fn balance(events: &[Event]) -> i32 {
    let amount = |event: &Event| match event.by {
        By::Client(0) => 1,
        By::Client(_) => -1,
        By::Manager(_) | By::Anyone => 0,
    };
    events.iter().map(amount).sum()
}

pub fn ever_overdrawn(log: &Log) -> bool {
    (0..=log.events.len()).any(|end| balance(&log.events[..end]) < 0)
}

impl Writing {
    /// Does it, if it is possible at present.
    pub fn step(&mut self, action: Action, log: &mut Log, rules: &Rules, scope: Scope) -> bool {
        match action {
            Action::Send { client, writer } => self.send(client, writer, log, rules, scope),
            Action::Append { writer, fate } => self.append(writer, fate, log, rules),
            Action::Land => match self.under_way.take() {
                Some(append) => {
                    let _ = log.append(&append, rules);
                    true
                }
                None => false,
            },
            Action::CrashWriter { writer } => {
                let at = log.head();
                let crashed = self.writers[usize::from(writer)].batch.is_some();
                self.writers[usize::from(writer)] = Writer { at, batch: None };
                crashed
            }
            _ => unreachable!("not for a writer"),
        }
    }

    fn send(&mut self, client: u8, writer: u8, log: &Log, rules: &Rules, scope: Scope) -> bool {
        let most = if client == 0 { scope.sends } else { 1 };
        let in_progress = |writer: &Writer| writer.batch.as_ref().is_some_and(|batch| batch.client == client);
        let abandoned = !self.writers.iter().any(in_progress);
        let Client { sent, answer, .. } = &mut self.clients[usize::from(client)];
        // Who has a key repeats itself until it is answered.
        let repeats = client == 0 && answer.is_none() && abandoned;
        if (*sent >= most && !repeats) || self.writers[usize::from(writer)].batch.is_some() {
            return false;
        }
        *sent = most.min(*sent + 1);
        let decided = self.decide(client, writer, log.head().position, log);
        if !rules.answer_after_append && decided.append.records {
            self.answer(client, decided.append.id);
        }
        self.writers[usize::from(writer)].batch = Some(decided);
        true
    }

    /// Decides on the log as of the writer's own position.
    fn decide(&mut self, client: u8, writer: u8, sent_at: u8, log: &Log) -> Batch {
        let expected = self.writers[usize::from(writer)].at;
        let decided = &mut self.clients[usize::from(client)].decided;
        *decided += 1;
        let id = 1 + client * 30 + *decided;
        let known = &log.events[..usize::from(expected.position).min(log.events.len())];
        let records = client == 0 || balance(known) > 0;
        let append = Append {
            expected,
            id,
            by: By::Client(client),
            records,
        };
        Batch {
            client,
            append,
            sent_at,
        }
    }

    fn decide_again(&mut self, writer: u8, batch: &Batch, log: &Log) {
        self.writers[usize::from(writer)].at = log.head();
        let again = self.decide(batch.client, writer, batch.sent_at, log);
        self.writers[usize::from(writer)].batch = Some(again);
    }

    fn append(&mut self, writer: u8, fate: Fate, log: &mut Log, rules: &Rules) -> bool {
        let Some(batch) = self.writers[usize::from(writer)].batch.clone() else {
            return false;
        };
        let append = batch.append;
        let only_looks = !append.records && !append.by.has_key();
        if fate != Fate::Answered {
            if only_looks || (fate == Fate::Late && self.under_way.is_some()) {
                return false;
            }
            match fate {
                Fate::AnswerLost => drop(log.append(&append, rules)),
                Fate::Late => self.under_way = Some(append),
                _ => {}
            }
            if !rules.repeat_the_same_append {
                self.decide_again(writer, &batch, log);
            }
            return true;
        }
        if only_looks {
            if rules.confirm_refusals && log.head() != append.expected {
                self.decide_again(writer, &batch, log);
            } else {
                self.refuse(writer, &batch, log);
            }
            return true;
        }
        match log.append(&append, rules) {
            Appended::Done if !append.records => self.refuse(writer, &batch, log),
            Appended::Done => self.done(writer, &batch, append.id, log),
            Appended::Known(id) => self.done(writer, &batch, id, log),
            Appended::Moved => self.decide_again(writer, &batch, log),
        }
        true
    }

    fn done(&mut self, writer: u8, batch: &Batch, id: Id, log: &Log) {
        let at = &mut self.writers[usize::from(writer)];
        at.batch = None;
        if let Some(event) = log.events.iter().find(|event| event.id == id) {
            at.at = if event.position > at.at.position {
                event.checkpoint()
            } else {
                at.at
            };
        }
        self.answer(batch.client, id);
    }

    fn answer(&mut self, client: u8, id: Id) {
        let client = &mut self.clients[usize::from(client)];
        client.answered_otherwise |= client.answer.is_some_and(|before| before != id);
        client.answer = Some(id);
    }

    fn refuse(&mut self, writer: u8, batch: &Batch, log: &Log) {
        let moments = usize::from(batch.sent_at)..=log.events.len();
        self.wrong_refusal |= moments.into_iter().all(|end| balance(&log.events[..end]) > 0);
        self.clients[usize::from(batch.client)].refused = true;
        self.writers[usize::from(writer)].batch = None;
    }

    /// Whether every command has its answer.
    pub fn is_settled(&self) -> bool {
        self.writers.iter().all(|writer| writer.batch.is_none())
            && self.under_way.is_none()
            && self
                .clients
                .iter()
                .take(1)
                .all(|client| client.sent == 0 || client.answer.is_some())
    }
}
