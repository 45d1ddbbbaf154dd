//! The finance log and everything that can happen in it. Each event stands beside its command; here
//! it costs a line in each list.

#[cfg(test)]
mod tests;

use callboard::{DecodeError, Event, EventType, Json, Log, RawEvent, to_json};

use crate::register_company::CompanyRegistered;

/// The context, and its log.
#[derive(Debug, Clone, Copy)]
pub struct Finance;

impl Log for Finance {
    const NAME: &'static str = "finance";
    type Event = FinanceEvent;
}

/// A fact of finance.
#[derive(Debug, Clone, PartialEq)]
pub enum FinanceEvent {
    /// A company was registered.
    CompanyRegistered(CompanyRegistered),
}

impl Event for FinanceEvent {
    const TYPES: &'static [EventType] = &[
        CompanyRegistered::TYPE,
        // One line per type.
    ];

    fn event_type(&self) -> EventType {
        match self {
            Self::CompanyRegistered(_) => CompanyRegistered::TYPE,
        }
    }

    fn encode(&self) -> Result<Json, serde_json::Error> {
        match self {
            Self::CompanyRegistered(event) => to_json(event),
        }
    }

    /// One arm per type and version: a new shape gets an arm, old ones are upcast in theirs.
    fn decode(raw: &RawEvent) -> Result<Self, DecodeError> {
        match (&*raw.event_type, raw.schema_version) {
            (CompanyRegistered::NAME, 1) => raw.data().map(Self::CompanyRegistered),
            _ => Err(raw.unknown()),
        }
    }
}
