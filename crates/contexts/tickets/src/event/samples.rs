//! Events, values and actors as the tests of all features write them.

use callboard::Actor;
use jiff::{SignedDuration, Timestamp};

use crate::TicketsEvent;
use crate::add_ticket::TicketAdded;
use crate::assign_ticket::TicketAssigned;
use crate::close_ticket::TicketClosed;
use crate::reopen_ticket::TicketReopened;
use crate::retitle_ticket::TicketRetitled;
use crate::ticket::{Assignee, Resolution, TicketId, Title};

/// The ticket that tests are about.
pub(crate) const ID: &str = "0192d9a4-7b8e-7c3f-8d2a-5f6e7a8b9c0d";
/// Another one.
pub(crate) const OTHER: &str = "0192d9a4-7b8e-7c3f-8d2a-5f6e7a8b9c0e";
/// Its stream.
pub(crate) const STREAM: &str = "ticket-0192d9a4-7b8e-7c3f-8d2a-5f6e7a8b9c0d";

pub(crate) fn id() -> TicketId {
    ID.parse().expect("an id")
}

pub(crate) fn title(text: &str) -> Title {
    text.parse().expect("a title")
}

pub(crate) fn assignee(name: &str) -> Assignee {
    name.parse().expect("an assignee")
}

pub(crate) fn resolution(text: &str) -> Resolution {
    text.parse().expect("a resolution")
}

/// So many days after the first one.
pub(crate) fn day(number: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * number)
}

/// Somebody of the organisation `acme`.
pub(crate) fn actor(name: &str, roles: &[&str]) -> Actor {
    Actor {
        id: Some(name.into()),
        organisation: Some("acme".into()),
        roles: roles.iter().map(|role| (*role).into()).collect(),
    }
}

/// Somebody of another organisation, with every role.
pub(crate) fn outsider() -> Actor {
    Actor {
        organisation: Some("bolt".into()),
        ..actor("ann", &["agent", "lead"])
    }
}

/// Added in the organisation `acme`.
pub(crate) fn added(text: &str) -> TicketsEvent {
    TicketAdded {
        ticket: id(),
        organisation: Some("acme".into()),
        title: title(text),
        description: "Since this morning.".parse().expect("a description"),
    }
    .into()
}

pub(crate) fn retitled(text: &str) -> TicketsEvent {
    TicketRetitled {
        ticket: id(),
        title: title(text),
    }
    .into()
}

pub(crate) fn assigned(name: &str) -> TicketsEvent {
    TicketAssigned {
        ticket: id(),
        assignee: assignee(name),
    }
    .into()
}

/// Closed on this day.
pub(crate) fn closed(text: &str, on: i64) -> TicketsEvent {
    TicketClosed {
        ticket: id(),
        resolution: resolution(text),
        closed_at: day(on),
    }
    .into()
}

pub(crate) fn reopened() -> TicketsEvent {
    TicketReopened { ticket: id() }.into()
}
