//! Who follows the bank's log.

use callboard::{OnFailure, ProcessManager, Projection, Reaction, Recorded};
use serde::{Deserialize, Serialize};

use super::{Bank, BankEvent, Deposit};

pub struct Balances;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Balance {
    pub account: String,
    pub owner: String,
    pub balance: i64,
    /// The positions that made the row, so that order, gaps and repeats all show.
    pub path: Vec<u64>,
}

impl Projection for Balances {
    type Log = Bank;
    type Key = String;
    type Row = Balance;
    const NAME: &'static str = "balances";
    const VERSION: u32 = 1;
    const TABLE: &'static str = "bank.balances";
    const KEY: &'static [&'static str] = &["account"];
    const ON_FAILURE: OnFailure = OnFailure::Halt;

    fn keys(event: &BankEvent) -> Vec<String> {
        match event {
            BankEvent::AccountOpened(opened) => vec![opened.account.clone()],
            BankEvent::Deposited(moved) | BankEvent::Debited(moved) | BankEvent::Credited(moved) => {
                vec![moved.account.clone()]
            }
            BankEvent::Noted(note) => {
                assert_ne!(note.text, "keys panics", "keys panics");
                vec![note.account.clone()]
            }
            BankEvent::TransferMade(_) => Vec::new(),
        }
    }

    fn fold(key: &String, row: Option<Balance>, event: &Recorded<BankEvent>) -> Option<Balance> {
        let mut row = row.unwrap_or(Balance {
            account: key.clone(),
            owner: String::new(),
            balance: 0,
            path: Vec::new(),
        });
        match &event.event {
            BankEvent::AccountOpened(opened) => row.owner.clone_from(&opened.owner),
            BankEvent::Deposited(moved) | BankEvent::Credited(moved) => row.balance += moved.amount,
            BankEvent::Debited(moved) => row.balance -= moved.amount,
            BankEvent::Noted(note) if note.text == "delete" => return None,
            BankEvent::Noted(note) => assert_ne!(note.text, "fold panics", "fold panics"),
            BankEvent::TransferMade(_) => {}
        }
        row.path.push(event.position.get());
        Some(row)
    }
}

/// Gives each new account 10 for every account that was ever opened, itself included: a command
/// that shows the state as of its event.
pub struct Welcome;

impl ProcessManager for Welcome {
    type Log = Bank;
    type State = i64;
    const NAME: &'static str = "welcome";

    fn evolve(opened: &mut i64, event: &Recorded<BankEvent>) {
        match &event.event {
            BankEvent::AccountOpened(_) => *opened += 1,
            BankEvent::Noted(note) => assert_ne!(note.text, "evolve panics", "evolve panics"),
            _ => {}
        }
    }

    fn react(opened: &i64, event: &Recorded<BankEvent>) -> Reaction<Bank> {
        match &event.event {
            BankEvent::AccountOpened(new) => Reaction::issue(&Deposit {
                account: new.account.clone(),
                amount: opened * 10,
            }),
            BankEvent::Noted(note) if note.text == "react panics" => panic!("react panics"),
            // Three commands, of which the second one is refused.
            BankEvent::Noted(note) if note.text == "gift" => Reaction::issue(&Deposit {
                account: note.account.clone(),
                amount: 1,
            })
            .and(&Deposit {
                account: "nobody".into(),
                amount: 1,
            })
            .and(&Deposit {
                account: note.account.clone(),
                amount: 2,
            }),
            _ => Reaction::nothing(),
        }
    }
}
