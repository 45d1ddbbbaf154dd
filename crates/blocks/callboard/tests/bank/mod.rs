//! A small bank: accounts, transfers between them, a live model, a projection and a process
//! manager. What the core promises about several streams and states is shown on it.

#![allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
#![allow(missing_docs, reason = "a test's own fixture")]

pub mod commands;
pub mod events;
pub mod readers;

pub use commands::{Audit, Deposit, Meddle, Note, OpenAccount, Transfer};
pub use events::BankEvent;
pub use readers::{Balance, Balances, Welcome};

use std::collections::BTreeMap;

use callboard::{Aggregate, LiveModel, Log, Router, StreamName};

pub struct Bank;

impl Log for Bank {
    const NAME: &'static str = "bank";
    type Event = BankEvent;
}

pub fn account(name: &str) -> StreamName {
    StreamName::of("account", name)
}

pub fn transfer(number: u32) -> StreamName {
    StreamName::of("transfer", number)
}

pub fn router() -> Router<Bank> {
    Router::new()
        .command::<OpenAccount>()
        .command::<Deposit>()
        .command::<Transfer>()
        .command::<Note>()
        .command::<Audit>()
        .command::<Meddle>()
        .model::<Owners>()
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Account {
    pub owner: Option<String>,
    pub balance: i64,
}

impl Aggregate for Account {
    type Log = Bank;

    fn evolve(&mut self, event: &BankEvent) {
        match event {
            BankEvent::AccountOpened(opened) => self.owner = Some(opened.owner.clone()),
            BankEvent::Deposited(moved) | BankEvent::Credited(moved) => self.balance += moved.amount,
            BankEvent::Debited(moved) => self.balance -= moved.amount,
            BankEvent::Noted(note) => assert_ne!(note.text, "evolve panics", "evolve panics"),
            BankEvent::TransferMade(_) => panic!("a transfer is no account's event"),
        }
    }
}

/// The same stream seen as something else.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    pub events: u64,
}

impl Aggregate for History {
    type Log = Bank;

    fn evolve(&mut self, _: &BankEvent) {
        self.events += 1;
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Made {
    pub amount: Option<i64>,
}

impl Aggregate for Made {
    type Log = Bank;

    fn evolve(&mut self, event: &BankEvent) {
        if let BankEvent::TransferMade(made) = event {
            self.amount = Some(made.amount);
        }
    }
}

/// How many accounts each owner has, and what was ever deposited: over all streams.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Owners {
    pub accounts: BTreeMap<String, u64>,
    pub deposited: i64,
}

impl LiveModel for Owners {
    type Log = Bank;

    fn evolve(&mut self, event: &BankEvent) {
        match event {
            BankEvent::AccountOpened(opened) => *self.accounts.entry(opened.owner.clone()).or_default() += 1,
            BankEvent::Deposited(moved) => self.deposited += moved.amount,
            BankEvent::Noted(note) => assert_ne!(note.text, "model panics", "model panics"),
            _ => {}
        }
    }
}
