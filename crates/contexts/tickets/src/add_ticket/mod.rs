//! A ticket is put on the board.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use callboard::{Command, Decision, EventType, Moment, Reads, Refusal, Route, StreamName, World};
use serde::{Deserialize, Serialize};

use crate::event::{Tickets, TicketsEvent};
use crate::ticket::{Description, State, Ticket, TicketId, Title};

/// Put a ticket on the board of the actor's organisation. Everybody may.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AddTicket {
    /// Its id, which no other ticket has.
    pub ticket: TicketId,
    /// What it is about.
    pub title: Title,
    /// The whole story.
    pub description: Description,
}

/// A ticket was put on the board.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TicketAdded {
    /// Its id.
    pub ticket: TicketId,
    /// The organisation that it belongs to; `None` where its actor had none.
    pub organisation: Option<Arc<str>>,
    /// What it is about.
    pub title: Title,
    /// The whole story.
    pub description: Description,
}

impl TicketAdded {
    /// The wire name.
    pub const NAME: &'static str = "TicketAdded";
    /// What is written today.
    pub const TYPE: EventType = EventType::new(Self::NAME, 1);
}

impl Command for AddTicket {
    type Log = Tickets;
    const NAME: &'static str = "AddTicket";
    const ROUTE: Route = Route {
        aggregate: "Ticket",
        stream: "ticket-{ticket}",
        events: &[TicketAdded::TYPE],
        refusals: &["ticket-exists"],
    };

    fn stream(&self) -> StreamName {
        Ticket::stream(self.ticket)
    }

    fn reads(&self) -> Reads<Tickets> {
        Reads::of::<Ticket>(self.stream())
    }

    fn decide(&self, world: &World<'_, Tickets>, at: &Moment) -> Result<Decision<TicketsEvent>, Refusal> {
        if world.aggregate::<Ticket>(&self.stream()).state != State::Unknown {
            return Err(Refusal::rule(
                "ticket-exists",
                "There is a ticket with this id already.",
            ));
        }
        let added = TicketAdded {
            ticket: self.ticket,
            organisation: at.actor.organisation.clone(),
            title: self.title.clone(),
            description: self.description.clone(),
        };
        Ok(Decision::event(added).created(self.ticket.get()))
    }
}
