//! A ticket gets another title.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use callboard::{Command, Decision, EventType, Forbidden, Moment, Reads, Refusal, Route, StreamName, World};
use serde::{Deserialize, Serialize};

use crate::event::{Tickets, TicketsEvent};
use crate::ticket::{CLOSED, NO_SUCH_TICKET, Ticket, TicketId, Title};

/// Give an open ticket this title. The one that it has already changes nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetitleTicket {
    /// Which ticket.
    pub ticket: TicketId,
    /// What it is about.
    pub title: Title,
}

/// A ticket got another title.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TicketRetitled {
    /// Which ticket.
    pub ticket: TicketId,
    /// What it is about.
    pub title: Title,
}

impl TicketRetitled {
    /// The wire name.
    pub const NAME: &'static str = "TicketRetitled";
    /// What is written today.
    pub const TYPE: EventType = EventType::new(Self::NAME, 1);
}

impl Command for RetitleTicket {
    type Log = Tickets;
    const NAME: &'static str = "RetitleTicket";
    const ROUTE: Route = Route {
        aggregate: "Ticket",
        stream: "ticket-{ticket}",
        events: &[TicketRetitled::TYPE],
        refusals: &[NO_SUCH_TICKET, CLOSED],
    };

    fn stream(&self) -> StreamName {
        Ticket::stream(self.ticket)
    }

    fn reads(&self) -> Reads<Tickets> {
        Reads::of::<Ticket>(self.stream())
    }

    fn authorize(&self, world: &World<'_, Tickets>, at: &Moment) -> Result<(), Forbidden> {
        world.aggregate::<Ticket>(&self.stream()).belongs_to(&at.actor)
    }

    fn decide(&self, world: &World<'_, Tickets>, _: &Moment) -> Result<Decision<TicketsEvent>, Refusal> {
        let ticket = world.aggregate::<Ticket>(&self.stream());
        ticket.must_be_open()?;
        if ticket.title.as_ref() == Some(&self.title) {
            return Ok(Decision::nothing());
        }
        Ok(Decision::event(TicketRetitled {
            ticket: self.ticket,
            title: self.title.clone(),
        }))
    }
}
