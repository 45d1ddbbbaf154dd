//! The engine that follows a log, with deliveries and stores that misbehave.

mod after;
#[path = "../bank/mod.rs"]
mod bank;
mod broker;
mod halts;
mod looks;
mod offers;
mod parking;
mod random;
mod supervised;
#[path = "../support/mod.rs"]
mod support;

use bank::BankEvent;
use bank::events::{deposited, opened};
use callboard::Recorded;
use callboard::memory::MemoryLog;
use callboard::subscription::{Delivery, Runner};
use support::{Checked, put};

type Balanced = Runner<Checked, MemoryLog>;

/// The account `a` and then deposits of 1, 2, 3 …: so many events in all.
fn past(count: usize) -> Vec<(&'static str, BankEvent)> {
    (0..count)
        .map(|number| match number {
            0 => ("account-a", opened("a", "Ann")),
            number => ("account-a", deposited("a", number as i64)),
        })
        .collect()
}

/// A log with so many events, and a runner at its beginning.
async fn with_past(count: usize) -> (MemoryLog, Vec<Recorded>, Checked, Balanced) {
    let log = MemoryLog::new();
    let events = put(&log, &past(count)).await;
    let store = Checked::new(&log);
    let runner = Runner::new(store.clone(), log.clone());
    (log, events, store, runner)
}

fn delivered<'a>(events: impl IntoIterator<Item = &'a Recorded>) -> Vec<Delivery> {
    events
        .into_iter()
        .map(|event| Delivery {
            event: Ok(event.clone()),
        })
        .collect()
}

/// An event of another timeline in the place of this one.
fn forged(event: &Recorded) -> Recorded {
    Recorded {
        id: uuid::Uuid::now_v7(),
        ..event.clone()
    }
}
