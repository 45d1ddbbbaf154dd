//! The log of the tickets and everything that can happen in it.

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;

use callboard::{DecodeError, Event, EventType, Json, Log, RawEvent, to_json};

use crate::add_ticket::TicketAdded;
use crate::assign_ticket::TicketAssigned;
use crate::close_ticket::TicketClosed;
use crate::reopen_ticket::TicketReopened;
use crate::retitle_ticket::TicketRetitled;
use crate::ticket::TicketId;

/// The context, and its log.
#[derive(Debug, Clone, Copy)]
pub struct Tickets;

impl Log for Tickets {
    const NAME: &'static str = "tickets";
    type Event = TicketsEvent;
}

/// A fact about a ticket.
#[derive(Debug, Clone, PartialEq)]
pub enum TicketsEvent {
    /// It was put on the board.
    TicketAdded(TicketAdded),
    /// It has another title.
    TicketRetitled(TicketRetitled),
    /// Somebody is to do it.
    TicketAssigned(TicketAssigned),
    /// It is done with.
    TicketClosed(TicketClosed),
    /// It is to be done after all.
    TicketReopened(TicketReopened),
}

impl TicketsEvent {
    /// Which ticket it is about.
    pub fn ticket(&self) -> TicketId {
        match self {
            Self::TicketAdded(added) => added.ticket,
            Self::TicketRetitled(retitled) => retitled.ticket,
            Self::TicketAssigned(assigned) => assigned.ticket,
            Self::TicketClosed(closed) => closed.ticket,
            Self::TicketReopened(reopened) => reopened.ticket,
        }
    }
}

impl Event for TicketsEvent {
    const TYPES: &'static [EventType] = &[
        TicketAdded::TYPE,
        TicketRetitled::TYPE,
        TicketAssigned::TYPE,
        TicketClosed::TYPE,
        TicketReopened::TYPE,
    ];

    fn event_type(&self) -> EventType {
        match self {
            Self::TicketAdded(_) => TicketAdded::TYPE,
            Self::TicketRetitled(_) => TicketRetitled::TYPE,
            Self::TicketAssigned(_) => TicketAssigned::TYPE,
            Self::TicketClosed(_) => TicketClosed::TYPE,
            Self::TicketReopened(_) => TicketReopened::TYPE,
        }
    }

    fn encode(&self) -> Result<Json, serde_json::Error> {
        match self {
            Self::TicketAdded(added) => to_json(added),
            Self::TicketRetitled(retitled) => to_json(retitled),
            Self::TicketAssigned(assigned) => to_json(assigned),
            Self::TicketClosed(closed) => to_json(closed),
            Self::TicketReopened(reopened) => to_json(reopened),
        }
    }

    /// One arm per type and version: a new shape gets an arm, old ones are upcast in theirs.
    fn decode(raw: &RawEvent) -> Result<Self, DecodeError> {
        match (&*raw.event_type, raw.schema_version) {
            (TicketAdded::NAME, 1) => raw.data().map(Self::TicketAdded),
            (TicketRetitled::NAME, 1) => raw.data().map(Self::TicketRetitled),
            (TicketAssigned::NAME, 1) => raw.data().map(Self::TicketAssigned),
            (TicketClosed::NAME, 1) => raw.data().map(Self::TicketClosed),
            (TicketReopened::NAME, 1) => raw.data().map(Self::TicketReopened),
            _ => Err(raw.unknown()),
        }
    }
}

impl From<TicketAdded> for TicketsEvent {
    fn from(added: TicketAdded) -> Self {
        Self::TicketAdded(added)
    }
}

impl From<TicketRetitled> for TicketsEvent {
    fn from(retitled: TicketRetitled) -> Self {
        Self::TicketRetitled(retitled)
    }
}

impl From<TicketAssigned> for TicketsEvent {
    fn from(assigned: TicketAssigned) -> Self {
        Self::TicketAssigned(assigned)
    }
}

impl From<TicketClosed> for TicketsEvent {
    fn from(closed: TicketClosed) -> Self {
        Self::TicketClosed(closed)
    }
}

impl From<TicketReopened> for TicketsEvent {
    fn from(reopened: TicketReopened) -> Self {
        Self::TicketReopened(reopened)
    }
}
