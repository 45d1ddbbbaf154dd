//! A bank as simple as it can be, to compare the real one with: no batches, no cache, no faults.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::bank::events::{credited, debited, deposited, made, noted, opened};
use super::bank::{Audit, Bank, BankEvent, Deposit, Note, OpenAccount, Transfer};
use crate::event::Recorded;
use crate::writer::AnyCommand;

/// What a client asks, maybe under a key.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    what: What,
    pub(super) key: Option<u8>,
}

#[derive(Debug, Clone, PartialEq)]
enum What {
    Open(&'static str, &'static str),
    Deposit(&'static str, i64),
    Transfer(u32, &'static str, &'static str, i64),
    Note(&'static str, &'static str, usize),
    Audit(&'static str),
}

const ACCOUNTS: [&str; 5] = ["a", "b", "c", "d", "e"];

fn account() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&ACCOUNTS[..])
}

pub(super) fn ask() -> impl Strategy<Value = Asked> {
    let texts = ["plain", "decide panics", "evolve panics", "encode panics", "unstorable"];
    let what = prop_oneof![
        4 => (account(), prop::sample::select(&["Ann", "Bob"][..])).prop_map(|(name, owner)| What::Open(name, owner)),
        6 => (account(), 0..20_i64).prop_map(|(name, amount)| What::Deposit(name, amount)),
        6 => (0..40_u32, account(), account(), 1..20_i64)
            .prop_map(|(number, from, to, amount)| What::Transfer(number, from, to, amount)),
        2 => (account(), prop::sample::select(texts.to_vec()), 0..3_usize)
            .prop_map(|(name, text, copies)| What::Note(name, text, copies)),
        1 => account().prop_map(What::Audit),
    ];
    (what, prop::option::weighted(0.3, 0..6_u8)).prop_map(|(what, key)| Asked { what, key })
}

impl Asked {
    pub(super) fn command(&self) -> Box<dyn AnyCommand<Bank>> {
        match self.what {
            What::Open(name, owner) => Box::new(OpenAccount {
                account: name.into(),
                owner: owner.into(),
            }),
            What::Deposit(name, amount) => Box::new(Deposit {
                account: name.into(),
                amount,
            }),
            What::Transfer(number, from, to, amount) => Box::new(Transfer {
                number,
                from: from.into(),
                to: to.into(),
                amount,
            }),
            What::Note(name, text, copies) => Box::new(Note {
                account: name.into(),
                text: text.into(),
                copies,
            }),
            What::Audit(name) => Box::new(Audit { account: name.into() }),
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    balances: BTreeMap<&'static str, i64>,
    opened: BTreeMap<&'static str, usize>,
    transfers: BTreeSet<u32>,
}

impl Model {
    /// Checks that the log is what the commands behind its events come to, one after the other;
    /// the state after each of its events (the same within a command), and before the first.
    pub(super) fn replay(log: &[Recorded], asked: &[Asked]) -> Vec<Self> {
        let mut model = Self::default();
        let mut states = vec![model.clone()];
        let mut done = BTreeSet::new();
        let mut rest = log;
        while let Some(first) = rest.first() {
            let number: usize = first
                .metadata
                .correlation_id
                .as_deref()
                .expect("each has one")
                .parse()
                .expect("ours");
            assert!(done.insert(number), "command {number} was recorded twice");
            let expected = model
                .decide(&asked[number])
                .unwrap_or_else(|rule| panic!("{rule}: {:?}", asked[number]));
            assert!(
                !expected.is_empty() && expected.len() <= rest.len(),
                "{:?}",
                asked[number]
            );
            let (recorded, behind) = rest.split_at(expected.len());
            let recorded: Vec<BankEvent> = recorded
                .iter()
                .map(|event| event.decode().expect("one of ours").event)
                .collect();
            assert_eq!(recorded, expected, "{:?}", asked[number]);
            model.take(&asked[number]);
            states.extend(std::iter::repeat_n(model.clone(), expected.len()));
            rest = behind;
        }
        states
    }

    fn owners(&self, owner: &str) -> usize {
        self.opened.get(owner).copied().unwrap_or(0)
    }

    pub(super) fn decide(&self, asked: &Asked) -> Result<Vec<BankEvent>, &'static str> {
        match asked.what {
            What::Open(name, _) if self.balances.contains_key(name) => Err("account-open"),
            What::Open(_, owner) if self.owners(owner) >= 3 => Err("too-many-accounts"),
            What::Open(name, owner) => Ok(vec![opened(name, owner)]),
            What::Deposit(name, _) if !self.balances.contains_key(name) => Err("no-account"),
            What::Deposit(_, 0) => Ok(Vec::new()),
            What::Deposit(name, amount) => Ok(vec![deposited(name, amount)]),
            What::Transfer(number, ..) if self.transfers.contains(&number) => Err("transfer-made"),
            What::Transfer(_, from, to, amount) => match (self.balances.get(from), self.balances.get(to)) {
                (None, _) | (_, None) => Err("no-account"),
                (Some(available), _) if *available < amount => Err("insufficient-funds"),
                _ => Ok(vec![
                    made(from, to, amount),
                    debited(from, amount),
                    credited(to, amount),
                ]),
            },
            What::Note(_, text, copies) if text != "plain" && copies > 0 => Err("at fault"),
            What::Note(name, text, copies) => Ok(vec![noted(name, text); copies]),
            What::Audit(_) => Err("audit"),
        }
    }

    fn take(&mut self, asked: &Asked) {
        match asked.what {
            What::Open(name, owner) => {
                self.balances.insert(name, 0);
                *self.opened.entry(owner).or_default() += 1;
            }
            What::Deposit(name, amount) => *self.balances.entry(name).or_default() += amount,
            What::Transfer(number, from, to, amount) => {
                self.transfers.insert(number);
                *self.balances.entry(from).or_default() -= amount;
                *self.balances.entry(to).or_default() += amount;
            }
            What::Note(..) | What::Audit(_) => {}
        }
    }
}
