//! The view `tickets`: every ticket as it stands, in the order in which they were added.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use std::str::FromStr;
use std::sync::Arc;

use callboard::{Position, Projection, Recorded, Version};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::{Tickets, TicketsEvent};
use crate::ticket::{Assignee, Description, Resolution, TicketId, Title};

/// Keeps the view.
#[derive(Debug)]
pub struct TicketList;

/// A ticket: a row of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TicketRow {
    /// Which ticket.
    pub id: TicketId,
    /// The organisation that alone sees it; `None` for those who act for none.
    pub organisation: Option<Arc<str>>,
    /// What it is about.
    pub title: Title,
    /// The whole story.
    pub description: Description,
    /// Where it stands.
    pub status: Status,
    /// Who is to do it, or did it.
    pub assignee: Option<Assignee>,
    /// How it was settled, while it is closed.
    pub resolution: Option<Resolution>,
    /// Who added it.
    pub added_by: Option<Arc<str>>,
    /// When it was added.
    pub added_at: Timestamp,
    /// When it was last changed.
    pub changed_at: Timestamp,
    /// The version of its stream, for `If-Match`.
    pub version: Version,
    /// Where it was added to the log: the order of the list, which no change ever changes.
    pub added_position: Position,
}

/// Where a ticket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is to be done.
    Open,
    /// It is done with.
    Closed,
}

/// What is no status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a status is open or closed")]
pub struct InvalidStatus;

impl FromStr for Status {
    type Err = InvalidStatus;

    fn from_str(text: &str) -> Result<Self, InvalidStatus> {
        match text {
            "open" => Ok(Self::Open),
            "closed" => Ok(Self::Closed),
            _ => Err(InvalidStatus),
        }
    }
}

impl Projection for TicketList {
    type Log = Tickets;
    type Key = TicketId;
    type Row = TicketRow;

    const NAME: &'static str = "tickets";
    const VERSION: u32 = 1;
    const TABLE: &'static str = "tickets.tickets";
    const KEY: &'static [&'static str] = &["id"];
    /// Whatever a stream `ticket-…` will ever tell, it tells of its own ticket.
    const KEYED_BY_STREAM: bool = true;

    fn keys(event: &TicketsEvent) -> Vec<TicketId> {
        vec![event.ticket()]
    }

    fn fold(id: &TicketId, row: Option<TicketRow>, event: &Recorded<TicketsEvent>) -> Option<TicketRow> {
        let mut row = match &event.event {
            TicketsEvent::TicketAdded(added) => TicketRow {
                id: *id,
                organisation: added.organisation.clone(),
                title: added.title.clone(),
                description: added.description.clone(),
                status: Status::Open,
                assignee: None,
                resolution: None,
                added_by: event.metadata.actor.clone(),
                added_at: event.recorded_at,
                changed_at: event.recorded_at,
                version: event.version,
                added_position: event.position,
            },
            _ => row?,
        };
        match &event.event {
            TicketsEvent::TicketAdded(_) => {}
            TicketsEvent::TicketRetitled(retitled) => row.title = retitled.title.clone(),
            TicketsEvent::TicketAssigned(assigned) => row.assignee = Some(assigned.assignee.clone()),
            TicketsEvent::TicketClosed(closed) => {
                (row.status, row.resolution) = (Status::Closed, Some(closed.resolution.clone()));
            }
            TicketsEvent::TicketReopened(_) => (row.status, row.resolution) = (Status::Open, None),
        }
        Some(TicketRow {
            changed_at: event.recorded_at,
            version: event.version,
            ..row
        })
    }
}
