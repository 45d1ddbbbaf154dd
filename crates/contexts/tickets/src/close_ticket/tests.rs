use callboard::Actor;
use callboard::spec::Spec;
use jiff::SignedDuration;

use super::{CloseTicket, TicketClosed};
use crate::Tickets;
use crate::event::samples::{STREAM, actor, added, assigned, closed, day, id, outsider, reopened, resolution};

fn close() -> CloseTicket {
    CloseTicket {
        ticket: id(),
        resolution: resolution("A new bulb."),
    }
}

/// Ann's ticket, on day 1.
fn anns() -> Spec<Tickets> {
    Spec::new()
        .given(STREAM, [added("No light"), assigned("ann")])
        .at(day(1))
}

#[test]
fn the_assignee_closes_the_ticket_and_so_does_a_lead() {
    for who in [actor("ann", &[]), actor("lea", &["lead"])] {
        anns().by(who).when(close()).then([closed("A new bulb.", 1)]);
    }
}

#[test]
fn nobody_else_closes_it() {
    let nobody = Actor {
        id: None,
        ..actor("", &["agent"])
    };
    for who in [actor("bob", &["agent"]), actor("Ann", &[]), nobody] {
        let refused = anns().by(who).when(close()).result();
        let reason = refused.expect_err("not hers").to_string();
        assert_eq!(reason, "Only the ticket's assignee or a lead may close it.");
    }
}

#[test]
fn who_had_the_ticket_before_may_no_longer_close_it() {
    let bobs = anns().given(STREAM, [assigned("bob")]);
    bobs.when(close()).then_forbidden();
    let bobs = bobs.by(actor("ann", &["agent"]));
    bobs.when(close()).then_forbidden();
}

#[test]
fn a_ticket_of_nobody_is_closed_by_a_lead_only() {
    let board = Spec::<Tickets>::new().given(STREAM, [added("No light")]);
    let board = board.by(Actor {
        id: None,
        ..actor("", &[])
    });
    board.when(close()).then_forbidden();
    let board = board.by(actor("lea", &["lead"]));
    board.when(close()).then([closed("A new bulb.", 0)]);
}

#[test]
fn a_ticket_is_closed_once() {
    let done = anns().given(STREAM, [closed("A new bulb.", 1)]).by(actor("ann", &[]));
    done.when(close()).then_refused("ticket-closed");
    let again = done.given(STREAM, [reopened()]);
    again.when(close()).then([closed("A new bulb.", 1)]);
}

#[test]
fn when_it_was_closed_is_known_to_the_microsecond() {
    let now = day(1) + SignedDuration::from_nanos(1_999);
    let closed = TicketClosed {
        ticket: id(),
        resolution: resolution("A new bulb."),
        closed_at: day(1) + SignedDuration::from_micros(1),
    };
    anns().by(actor("ann", &[])).at(now).when(close()).then([closed]);
}

#[test]
fn nobody_acts_outside_of_its_own_organisation() {
    let reason = anns().by(outsider()).when(close()).result();
    let reason = reason.expect_err("another organisation's").to_string();
    assert_eq!(reason, "The ticket belongs to another organisation.");
}

#[test]
fn an_unknown_ticket_is_not_found() {
    Spec::<Tickets>::new().when(close()).then_refused("no-such-ticket");
}
