//! Everything that clients sent, with what became of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use conformance::Answer;
use serde_json::Value;
use tokio::sync::RwLock;
use uuid::Uuid;

/// A command.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// Its idempotency key and its correlation id, unique in a run.
    pub key: String,
    /// Who sends it: one command after the other.
    pub client: u64,
    /// Which of its commands.
    pub number: u64,
    /// The log that it is recorded in.
    pub log: &'static str,
    /// Where it is posted to.
    pub path: String,
    /// What is posted.
    pub body: Value,
    /// What it is about: the end of its stream's name.
    pub about: String,
    /// The type of the event that it asks for.
    pub makes: &'static str,
}

/// What a receipt says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Where the command's last event stands; the head, if it changed nothing.
    pub position: u64,
    /// Its events, in order.
    pub events: Vec<Made>,
}

/// An event in a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Where it stands.
    pub position: u64,
    /// Its id.
    pub id: Uuid,
    /// Its type.
    pub event_type: String,
    /// Its stream.
    pub stream: String,
    /// Its number in the stream.
    pub version: u64,
}

impl Receipt {
    /// The receipt in an answer.
    ///
    /// # Errors
    /// When there is none.
    pub fn of(answer: &Answer) -> Result<Self> {
        let events = answer.body["events"].as_array().context("no receipt")?;
        Ok(Self {
            position: answer.body["position"].as_u64().context("no position")?,
            events: events.iter().map(Made::of).collect::<Result<_>>()?,
        })
    }
}

impl Made {
    fn of(event: &Value) -> Result<Self> {
        let text = |name: &str| event[name].as_str().with_context(|| format!("no {name}"));
        Ok(Self {
            position: event["position"].as_u64().context("no position")?,
            id: text("id")?.parse().context("no id")?,
            event_type: text("type")?.to_owned(),
            stream: text("stream")?.to_owned(),
            version: event["version"].as_u64().context("no version")?,
        })
    }
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Nobody knows.
    Unknown,
    /// Accepted.
    Done(Receipt),
    /// Refused by a rule, and never sent but once: it will not be done.
    Refused,
    /// Refused by a rule when it was repeated: the first may still be on its way.
    RefusedAgain,
}

/// A command that was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// The command.
    pub command: Command,
    /// The last position of its log that its client knew of when it was first sent.
    pub after: u64,
    /// What became of it.
    pub fate: Fate,
}

/// What a run remembers.
#[derive(Default)]
pub struct Ledger {
    sent: Mutex<Vec<Sent>>,
    wrong: Mutex<Vec<String>>,
    vanishing: AtomicU64,
    foreign: AtomicU64,
    /// Read by each client while a command is on its way.
    pub gate: RwLock<()>,
}

impl Ledger {
    /// Notes a command.
    pub fn note(&self, sent: Sent) {
        lock(&self.sent).push(sent);
    }

    /// Everything that was sent.
    pub fn sent(&self) -> MutexGuard<'_, Vec<Sent>> {
        lock(&self.sent)
    }

    /// Notes what must not be.
    pub fn wrong(&self, what: String) {
        lock(&self.wrong).push(what);
    }

    /// What was noticed that must not be.
    pub fn all_wrong(&self) -> Vec<String> {
        lock(&self.wrong).clone()
    }

    /// The next so many commands are given up by their clients right after they were sent.
    pub fn let_vanish(&self, commands: u64) {
        self.vanishing.fetch_add(commands, Ordering::Relaxed);
    }

    /// Whether the client of this command goes away.
    pub fn vanishes(&self) -> bool {
        let one_less = |left: u64| left.checked_sub(1);
        self.vanishing
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
            .is_ok()
    }

    /// The body of another message that is not ours.
    pub fn foreign_message(&self) -> String {
        format!("{FOREIGN}{}", self.foreign.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether this is the body of one of them.
    pub fn is_foreign_message(&self, body: &[u8]) -> bool {
        let number = std::str::from_utf8(body)
            .ok()
            .and_then(|body| body.strip_prefix(FOREIGN)?.parse().ok());
        number.is_some_and(|number: u64| number < self.foreign.load(Ordering::Relaxed))
    }
}

const FOREIGN: &str = "a message of the chaos, number ";

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
