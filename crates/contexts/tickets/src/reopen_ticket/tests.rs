use callboard::spec::Spec;
use jiff::SignedDuration;

use super::ReopenTicket;
use crate::Tickets;
use crate::event::samples::{STREAM, actor, added, assigned, closed, day, id, outsider, reopened};

fn reopen() -> ReopenTicket {
    ReopenTicket { ticket: id() }
}

/// Closed on day 1, and it is day 2.
fn done() -> Spec<Tickets> {
    Spec::new()
        .given(STREAM, [added("No light"), assigned("ann"), closed("A new bulb.", 1)])
        .by(actor("bob", &[]))
        .at(day(2))
}

#[test]
fn everybody_of_the_organisation_reopens_what_was_closed_lately() {
    done().when(reopen()).then([reopened()]);
}

#[test]
fn after_30_days_a_lead_only_does() {
    let just = SignedDuration::from_micros(1);
    for roles in [&[][..], &["agent"]] {
        let who = || actor("ann", roles);
        let in_time = done().by(who()).at(day(31));
        in_time.when(reopen()).then([reopened()]);
        let late = done().by(who()).at(day(31) + just).when(reopen()).result();
        assert_eq!(
            late.expect_err("too late").to_string(),
            "The ticket was closed over 30 days ago: only a lead may reopen it."
        );
    }
    let lead = done().by(actor("lea", &["lead"])).at(day(4_000));
    lead.when(reopen()).then([reopened()]);
}

#[test]
fn the_last_time_that_it_was_closed_counts() {
    let again = done().given(STREAM, [reopened(), closed("And another one.", 100)]);
    again.at(day(120)).when(reopen()).then([reopened()]);
}

#[test]
fn an_open_ticket_is_not_reopened() {
    let open = done().given(STREAM, [reopened()]);
    open.when(reopen()).then_refused("ticket-not-closed");
    let old = open.at(day(4_000));
    old.when(reopen()).then_refused("ticket-not-closed");
}

#[test]
fn nobody_acts_outside_of_its_own_organisation() {
    let reason = done().by(outsider()).when(reopen()).result();
    let reason = reason.expect_err("another organisation's").to_string();
    assert_eq!(reason, "The ticket belongs to another organisation.");
}

#[test]
fn an_unknown_ticket_is_not_found() {
    Spec::<Tickets>::new().when(reopen()).then_refused("no-such-ticket");
}
