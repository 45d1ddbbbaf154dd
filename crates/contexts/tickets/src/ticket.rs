//! The ticket: one per id, the words that all features share, and who may do what with it.

#[cfg(test)]
mod tests;
mod text;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use callboard::{Actor, Aggregate, Forbidden, Refusal, StreamName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::{Tickets, TicketsEvent};

pub use text::{Assignee, Description, InvalidText, Resolution, Title};

/// Who works on tickets.
pub const AGENT: &str = "agent";
/// Who leads those that do.
pub const LEAD: &str = "lead";

/// The state of one ticket's stream: what authorization and decisions see.
#[derive(Debug, Clone, Default)]
pub struct Ticket {
    /// Where it stands.
    pub state: State,
    /// The organisation that it was added in; `None` is that of nobody in particular.
    pub organisation: Option<Arc<str>>,
    /// Its title, once it was added.
    pub title: Option<Title>,
    /// Who is to do it.
    pub assignee: Option<Assignee>,
}

/// Where a ticket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// There is no such ticket.
    #[default]
    Unknown,
    /// It is to be done.
    Open,
    /// It is done with, since then.
    Closed(Timestamp),
}

impl Ticket {
    /// The stream of the ticket with this id.
    pub fn stream(id: TicketId) -> StreamName {
        StreamName::of("ticket", id)
    }

    /// Whether the actor acts inside its own organisation. Of a ticket that isn't there nobody is kept away.
    ///
    /// # Errors
    /// [`Forbidden`] when the ticket is another organisation's.
    pub(crate) fn belongs_to(&self, actor: &Actor) -> Result<(), Forbidden> {
        if self.state == State::Unknown || self.organisation == actor.organisation {
            Ok(())
        } else {
            Err(Forbidden::because("The ticket belongs to another organisation."))
        }
    }

    /// Whether the actor is the one who is to do it.
    pub(crate) fn is_assigned_to(&self, actor: &Actor) -> bool {
        let assignee = self.assignee.as_ref().map(Assignee::as_str);
        assignee.is_some() && assignee == actor.id.as_deref()
    }

    /// Whether it can be worked on.
    ///
    /// # Errors
    /// The [`Refusal`] when it is closed or there is none.
    pub(crate) fn must_be_open(&self) -> Result<(), Refusal> {
        match self.state {
            State::Open => Ok(()),
            State::Closed(_) => Err(Refusal::rule(CLOSED, "The ticket is closed.")),
            State::Unknown => Err(no_such_ticket()),
        }
    }
}

/// The rule that refuses work on a closed ticket.
pub(crate) const CLOSED: &str = "ticket-closed";
/// The rule that a ticket must be there.
pub(crate) const NO_SUCH_TICKET: &str = "no-such-ticket";

pub(crate) fn no_such_ticket() -> Refusal {
    Refusal::not_found(NO_SUCH_TICKET, "There is no ticket with this id.")
}

/// Whether an actor has one of these roles.
pub(crate) fn has_role(actor: &Actor, roles: &[&str]) -> bool {
    actor.roles.iter().any(|role| roles.contains(&&**role))
}

impl Aggregate for Ticket {
    type Log = Tickets;

    fn evolve(&mut self, event: &TicketsEvent) {
        match event {
            TicketsEvent::TicketAdded(added) => {
                self.state = State::Open;
                self.organisation.clone_from(&added.organisation);
                self.title = Some(added.title.clone());
            }
            TicketsEvent::TicketRetitled(retitled) => self.title = Some(retitled.title.clone()),
            TicketsEvent::TicketAssigned(assigned) => self.assignee = Some(assigned.assignee.clone()),
            TicketsEvent::TicketClosed(closed) => self.state = State::Closed(closed.closed_at),
            TicketsEvent::TicketReopened(_) => self.state = State::Open,
        }
    }
}

/// A ticket's id: a UUID with its hyphens, and not the nil one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct TicketId(Uuid);

/// What no ticket's id looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a ticket's id is a UUID such as 0192d9a4-7b8e-7c3f-8d2a-5f6e7a8b9c0d, and not the nil UUID")]
pub struct InvalidTicketId;

impl TicketId {
    /// The UUID itself.
    pub fn get(self) -> Uuid {
        self.0
    }
}

impl TryFrom<Uuid> for TicketId {
    type Error = InvalidTicketId;

    fn try_from(id: Uuid) -> Result<Self, InvalidTicketId> {
        if id.is_nil() {
            Err(InvalidTicketId)
        } else {
            Ok(Self(id))
        }
    }
}

impl TryFrom<String> for TicketId {
    type Error = InvalidTicketId;

    fn try_from(text: String) -> Result<Self, InvalidTicketId> {
        text.parse()
    }
}

impl FromStr for TicketId {
    type Err = InvalidTicketId;

    fn from_str(text: &str) -> Result<Self, InvalidTicketId> {
        // Other forms (braces, no hyphens, a URN) would be other texts for the same ticket.
        let id = Some(text).filter(|text| text.len() == uuid::fmt::Hyphenated::LENGTH);
        id.and_then(|text| Uuid::try_parse(text).ok())
            .ok_or(InvalidTicketId)?
            .try_into()
    }
}

impl fmt::Display for TicketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
