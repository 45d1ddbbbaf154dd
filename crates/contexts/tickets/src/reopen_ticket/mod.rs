//! A ticket is to be done after all.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use callboard::{Command, Decision, EventType, Forbidden, Moment, Reads, Refusal, Route, StreamName, World};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::event::{Tickets, TicketsEvent};
use crate::ticket::{LEAD, NO_SUCH_TICKET, State, Ticket, TicketId, has_role, no_such_ticket};

/// A ticket that was closed longer ago is reopened by a lead only.
pub const REOPENED_BY_ALL_WITHIN: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Open a closed ticket again. Who had it has it still.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReopenTicket {
    /// Which ticket.
    pub ticket: TicketId,
}

/// A ticket was opened again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TicketReopened {
    /// Which ticket.
    pub ticket: TicketId,
}

impl TicketReopened {
    /// The wire name.
    pub const NAME: &'static str = "TicketReopened";
    /// What is written today.
    pub const TYPE: EventType = EventType::new(Self::NAME, 1);
}

impl Command for ReopenTicket {
    type Log = Tickets;
    const NAME: &'static str = "ReopenTicket";
    const ROUTE: Route = Route {
        aggregate: "Ticket",
        stream: "ticket-{ticket}",
        events: &[TicketReopened::TYPE],
        refusals: &[NO_SUCH_TICKET, "ticket-not-closed"],
    };

    fn stream(&self) -> StreamName {
        Ticket::stream(self.ticket)
    }

    fn reads(&self) -> Reads<Tickets> {
        Reads::of::<Ticket>(self.stream())
    }

    /// By attribute: how long ago this ticket was closed decides.
    fn authorize(&self, world: &World<'_, Tickets>, at: &Moment) -> Result<(), Forbidden> {
        let ticket = world.aggregate::<Ticket>(&self.stream());
        ticket.belongs_to(&at.actor)?;
        let long_ago =
            matches!(ticket.state, State::Closed(since) if at.now.duration_since(since) > REOPENED_BY_ALL_WITHIN);
        if long_ago && !has_role(&at.actor, &[LEAD]) {
            let reason = "The ticket was closed over 30 days ago: only a lead may reopen it.";
            return Err(Forbidden::because(reason));
        }
        Ok(())
    }

    fn decide(&self, world: &World<'_, Tickets>, _: &Moment) -> Result<Decision<TicketsEvent>, Refusal> {
        match world.aggregate::<Ticket>(&self.stream()).state {
            State::Closed(_) => Ok(Decision::event(TicketReopened { ticket: self.ticket })),
            State::Open => Err(Refusal::rule("ticket-not-closed", "The ticket is not closed.")),
            State::Unknown => Err(no_such_ticket()),
        }
    }
}
