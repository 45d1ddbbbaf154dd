use callboard::Actor;
use callboard::spec::Spec;

use super::{AddTicket, TicketAdded};
use crate::Tickets;
use crate::event::samples::{STREAM, actor, added, closed, id, outsider, title};

fn add() -> AddTicket {
    AddTicket {
        ticket: id(),
        title: title("No light"),
        description: "Since this morning.".parse().expect("a description"),
    }
}

#[test]
fn a_ticket_belongs_to_the_organisation_that_it_was_added_in() {
    Spec::<Tickets>::new()
        .by(actor("ann", &[]))
        .when(add())
        .then([added("No light")]);
}

#[test]
fn whoever_acts_for_no_organisation_adds_a_ticket_of_none() {
    let of_nobody = TicketAdded {
        ticket: id(),
        organisation: None,
        title: title("No light"),
        description: "Since this morning.".parse().expect("a description"),
    };
    Spec::<Tickets>::new()
        .by(Actor::default())
        .when(add())
        .then([of_nobody]);
}

#[test]
fn the_receipt_names_the_ticket() {
    let receipt = Spec::<Tickets>::new().when(add()).result().expect("accepted");
    assert_eq!(receipt.id, Some(id().get()));
}

#[test]
fn an_id_is_taken_once_whoever_asks_and_whatever_became_of_the_ticket() {
    let taken = Spec::<Tickets>::new().given(STREAM, [added("No light"), closed("A new bulb.", 1)]);
    for who in [actor("ann", &[]), outsider(), Actor::default()] {
        let ask = Spec::<Tickets>::new()
            .given(STREAM, [added("No light")])
            .by(who)
            .when(add());
        ask.then_refused("ticket-exists");
    }
    taken.when(add()).then_refused("ticket-exists");
}
