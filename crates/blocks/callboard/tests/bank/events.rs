//! What happens in the bank.

use callboard::{DecodeError, Event, EventType, Json, RawEvent, to_json};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq)]
pub enum BankEvent {
    AccountOpened(Opened),
    Deposited(Moved),
    Debited(Moved),
    Credited(Moved),
    TransferMade(TransferMade),
    Noted(Noted),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    pub account: String,
    pub owner: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Moved {
    pub account: String,
    pub amount: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferMade {
    pub from: String,
    pub to: String,
    pub amount: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Noted {
    pub account: String,
    pub text: String,
}

impl Event for BankEvent {
    const TYPES: &'static [EventType] = &[
        EventType::new("AccountOpened", 1),
        EventType::new("Deposited", 1),
        EventType::new("Debited", 1),
        EventType::new("Credited", 1),
        EventType::new("TransferMade", 1),
        EventType::new("Noted", 1),
    ];

    fn event_type(&self) -> EventType {
        Self::TYPES[match self {
            Self::AccountOpened(_) => 0,
            Self::Deposited(_) => 1,
            Self::Debited(_) => 2,
            Self::Credited(_) => 3,
            Self::TransferMade(_) => 4,
            Self::Noted(_) => 5,
        }]
    }

    fn encode(&self) -> Result<Json, serde_json::Error> {
        match self {
            Self::AccountOpened(opened) => to_json(opened),
            Self::Deposited(moved) | Self::Debited(moved) | Self::Credited(moved) => to_json(moved),
            Self::TransferMade(made) => to_json(made),
            Self::Noted(note) => {
                assert_ne!(note.text, "encode panics", "encode panics");
                to_json(note)
            }
        }
    }

    fn decode(raw: &RawEvent) -> Result<Self, DecodeError> {
        match (&*raw.event_type, raw.schema_version) {
            ("AccountOpened", 1) => raw.data().map(Self::AccountOpened),
            ("Deposited", 1) => raw.data().map(Self::Deposited),
            ("Debited", 1) => raw.data().map(Self::Debited),
            ("Credited", 1) => raw.data().map(Self::Credited),
            ("TransferMade", 1) => raw.data().map(Self::TransferMade),
            ("Noted", 1) => {
                let note: Noted = raw.data()?;
                assert_ne!(note.text, "decode panics", "decode panics");
                Ok(Self::Noted(note))
            }
            _ => Err(raw.unknown()),
        }
    }
}

pub fn opened(account: &str, owner: &str) -> BankEvent {
    BankEvent::AccountOpened(Opened {
        account: account.into(),
        owner: owner.into(),
    })
}

fn moved(account: &str, amount: i64) -> Moved {
    Moved {
        account: account.into(),
        amount,
    }
}

pub fn deposited(account: &str, amount: i64) -> BankEvent {
    BankEvent::Deposited(moved(account, amount))
}

pub fn debited(account: &str, amount: i64) -> BankEvent {
    BankEvent::Debited(moved(account, amount))
}

pub fn credited(account: &str, amount: i64) -> BankEvent {
    BankEvent::Credited(moved(account, amount))
}

pub fn made(from: &str, to: &str, amount: i64) -> BankEvent {
    BankEvent::TransferMade(TransferMade {
        from: from.into(),
        to: to.into(),
        amount,
    })
}

pub fn noted(account: &str, text: &str) -> BankEvent {
    BankEvent::Noted(Noted {
        account: account.into(),
        text: text.into(),
    })
}
