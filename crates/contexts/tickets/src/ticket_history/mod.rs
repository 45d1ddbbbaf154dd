//! The view `ticket_history`: what happened to a ticket, a row for each event.
//!
//! A row for each event and not a growing column of the ticket's own row: an event writes one small
//! row however long the history is, the list never loads it, a page of it is a range of the primary
//! key, and a reporting tool can read it.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use callboard::{Event, Projection, Recorded, Version};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::{Tickets, TicketsEvent};
use crate::ticket::{Assignee, Resolution, TicketId, Title};

/// Keeps the view.
#[derive(Debug)]
pub struct TicketHistory;

/// One event of a ticket: a row of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryRow {
    /// Which ticket.
    pub ticket: TicketId,
    /// Its version since: its events are numbered from 1.
    pub version: Version,
    /// What happened: the event's type.
    pub event: Cow<'static, str>,
    /// Who did it.
    pub actor: Option<Arc<str>>,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The title that it got.
    pub title: Option<Title>,
    /// Who it was given to.
    pub assignee: Option<Assignee>,
    /// How it was settled.
    pub resolution: Option<Resolution>,
}

impl Projection for TicketHistory {
    type Log = Tickets;
    type Key = (TicketId, Version);
    type Row = HistoryRow;

    const NAME: &'static str = "ticket_history";
    const VERSION: u32 = 1;
    const TABLE: &'static str = "tickets.ticket_history";
    const KEY: &'static [&'static str] = &["ticket", "version"];
    /// Whatever a stream `ticket-…` will ever tell, it tells of its own ticket.
    const KEYED_BY_STREAM: bool = true;

    /// An event by itself has no version.
    fn keys(_: &TicketsEvent) -> Vec<Self::Key> {
        Vec::new()
    }

    fn keys_recorded(event: &Recorded<TicketsEvent>) -> Vec<Self::Key> {
        vec![(event.event.ticket(), event.version)]
    }

    fn fold(
        (ticket, version): &Self::Key,
        _: Option<HistoryRow>,
        event: &Recorded<TicketsEvent>,
    ) -> Option<HistoryRow> {
        let mut row = HistoryRow {
            ticket: *ticket,
            version: *version,
            event: event.event.event_type().name.into(),
            actor: event.metadata.actor.clone(),
            recorded_at: event.recorded_at,
            title: None,
            assignee: None,
            resolution: None,
        };
        match &event.event {
            TicketsEvent::TicketAdded(added) => row.title = Some(added.title.clone()),
            TicketsEvent::TicketRetitled(retitled) => row.title = Some(retitled.title.clone()),
            TicketsEvent::TicketAssigned(assigned) => row.assignee = Some(assigned.assignee.clone()),
            TicketsEvent::TicketClosed(closed) => row.resolution = Some(closed.resolution.clone()),
            TicketsEvent::TicketReopened(_) => {}
        }
        Some(row)
    }
}
