//! Somebody is to do a ticket.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use callboard::{Command, Decision, EventType, Forbidden, Moment, Reads, Refusal, Route, StreamName, World};
use serde::{Deserialize, Serialize};

use crate::event::{Tickets, TicketsEvent};
use crate::ticket::{AGENT, Assignee, CLOSED, LEAD, NO_SUCH_TICKET, Ticket, TicketId, has_role};

/// Give an open ticket to somebody. The one who has it already changes nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AssignTicket {
    /// Which ticket.
    pub ticket: TicketId,
    /// Who is to do it.
    pub assignee: Assignee,
}

/// A ticket was given to somebody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TicketAssigned {
    /// Which ticket.
    pub ticket: TicketId,
    /// Who is to do it.
    pub assignee: Assignee,
}

impl TicketAssigned {
    /// The wire name.
    pub const NAME: &'static str = "TicketAssigned";
    /// What is written today.
    pub const TYPE: EventType = EventType::new(Self::NAME, 1);
}

impl Command for AssignTicket {
    type Log = Tickets;
    const NAME: &'static str = "AssignTicket";
    const ROUTE: Route = Route {
        aggregate: "Ticket",
        stream: "ticket-{ticket}",
        events: &[TicketAssigned::TYPE],
        refusals: &[NO_SUCH_TICKET, CLOSED],
    };

    fn stream(&self) -> StreamName {
        Ticket::stream(self.ticket)
    }

    fn reads(&self) -> Reads<Tickets> {
        Reads::of::<Ticket>(self.stream())
    }

    /// By role: what the actor is decides.
    fn authorize(&self, world: &World<'_, Tickets>, at: &Moment) -> Result<(), Forbidden> {
        world.aggregate::<Ticket>(&self.stream()).belongs_to(&at.actor)?;
        if has_role(&at.actor, &[AGENT, LEAD]) {
            Ok(())
        } else {
            Err(Forbidden::because("Only an agent or a lead may assign a ticket."))
        }
    }

    fn decide(&self, world: &World<'_, Tickets>, _: &Moment) -> Result<Decision<TicketsEvent>, Refusal> {
        let ticket = world.aggregate::<Ticket>(&self.stream());
        ticket.must_be_open()?;
        if ticket.assignee.as_ref() == Some(&self.assignee) {
            return Ok(Decision::nothing());
        }
        Ok(Decision::event(TicketAssigned {
            ticket: self.ticket,
            assignee: self.assignee.clone(),
        }))
    }
}
