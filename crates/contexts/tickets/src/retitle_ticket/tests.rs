use callboard::spec::Spec;

use super::RetitleTicket;
use crate::Tickets;
use crate::event::samples::{STREAM, actor, added, closed, id, outsider, reopened, retitled, title};

fn retitle(text: &str) -> RetitleTicket {
    RetitleTicket {
        ticket: id(),
        title: title(text),
    }
}

fn board() -> Spec<Tickets> {
    Spec::new().given(STREAM, [added("No light")]).by(actor("ann", &[]))
}

#[test]
fn everybody_of_the_organisation_may_retitle_a_ticket() {
    board()
        .when(retitle("No light in the hall"))
        .then([retitled("No light in the hall")]);
}

#[test]
fn the_present_title_changes_nothing() {
    board().when(retitle("No light")).then_nothing();
    let renamed = board().given(STREAM, [retitled("Dark")]);
    renamed.when(retitle("Dark")).then_nothing();
    renamed.when(retitle("No light")).then([retitled("No light")]);
}

#[test]
fn a_closed_ticket_keeps_its_title_until_it_is_reopened() {
    let closed = board().given(STREAM, [closed("A new bulb.", 1)]);
    closed.when(retitle("Dark")).then_refused("ticket-closed");
    closed
        .given(STREAM, [reopened()])
        .when(retitle("Dark"))
        .then([retitled("Dark")]);
}

#[test]
fn nobody_acts_outside_of_its_own_organisation() {
    let reason = board().by(outsider()).when(retitle("Dark")).result();
    let reason = reason.expect_err("another organisation's").to_string();
    assert_eq!(reason, "The ticket belongs to another organisation.");
    board()
        .by(callboard::Actor::default())
        .when(retitle("Dark"))
        .then_forbidden();
}

#[test]
fn an_unknown_ticket_is_not_found() {
    Spec::<Tickets>::new()
        .when(retitle("Dark"))
        .then_refused("no-such-ticket");
}
