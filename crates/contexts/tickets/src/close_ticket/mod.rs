//! A ticket is done with.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use callboard::{Command, Decision, EventType, Forbidden, Moment, Reads, Refusal, Route, StreamName, World};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::{Tickets, TicketsEvent};
use crate::ticket::{CLOSED, LEAD, NO_SUCH_TICKET, Resolution, State, Ticket, TicketId, has_role};

/// Close an open ticket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CloseTicket {
    /// Which ticket.
    pub ticket: TicketId,
    /// How it was settled.
    pub resolution: Resolution,
}

/// A ticket was closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TicketClosed {
    /// Which ticket.
    pub ticket: TicketId,
    /// How it was settled.
    pub resolution: Resolution,
    /// When, by the decision's clock, to the microsecond: what a later decision counts from.
    pub closed_at: Timestamp,
}

impl TicketClosed {
    /// The wire name.
    pub const NAME: &'static str = "TicketClosed";
    /// What is written today.
    pub const TYPE: EventType = EventType::new(Self::NAME, 1);
}

impl Command for CloseTicket {
    type Log = Tickets;
    const NAME: &'static str = "CloseTicket";
    const ROUTE: Route = Route {
        aggregate: "Ticket",
        stream: "ticket-{ticket}",
        events: &[TicketClosed::TYPE],
        refusals: &[NO_SUCH_TICKET, CLOSED],
    };

    fn stream(&self) -> StreamName {
        Ticket::stream(self.ticket)
    }

    fn reads(&self) -> Reads<Tickets> {
        Reads::of::<Ticket>(self.stream())
    }

    /// By relationship: what the actor is to this ticket decides.
    fn authorize(&self, world: &World<'_, Tickets>, at: &Moment) -> Result<(), Forbidden> {
        let ticket = world.aggregate::<Ticket>(&self.stream());
        ticket.belongs_to(&at.actor)?;
        // There is nothing to protect in a ticket that isn't there: the rules say so.
        let may = ticket.state == State::Unknown || ticket.is_assigned_to(&at.actor) || has_role(&at.actor, &[LEAD]);
        if may {
            Ok(())
        } else {
            Err(Forbidden::because("Only the ticket's assignee or a lead may close it."))
        }
    }

    fn decide(&self, world: &World<'_, Tickets>, at: &Moment) -> Result<Decision<TicketsEvent>, Refusal> {
        world.aggregate::<Ticket>(&self.stream()).must_be_open()?;
        // As precise as a read table's column, so that all that show it show the same.
        let now = Timestamp::from_microsecond(at.now.as_microsecond());
        Ok(Decision::event(TicketClosed {
            ticket: self.ticket,
            resolution: self.resolution.clone(),
            closed_at: now.expect("less precise, it is still a time"),
        }))
    }
}
