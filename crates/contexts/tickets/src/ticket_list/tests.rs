use callboard::spec::rows;

use super::{Status, TicketList, TicketRow};
use crate::event::samples::{
    OTHER, STREAM, added, assigned, assignee, closed, id, reopened, resolution, retitled, title,
};
use crate::{TicketsEvent, add_ticket::TicketAdded};

fn row(events: &[TicketsEvent]) -> TicketRow {
    let events: Vec<_> = events.iter().map(|event| (STREAM, event.clone())).collect();
    let mut rows = rows::<TicketList>(&events);
    rows.remove(&id()).expect("the ticket's row")
}

#[test]
fn a_ticket_is_shown_as_it_was_added() {
    let row = row(&[added("No light")]);
    assert_eq!((row.title, row.status), (title("No light"), Status::Open));
    assert_eq!(row.organisation.as_deref(), Some("acme"));
    assert_eq!(row.description.as_str(), "Since this morning.");
    assert_eq!((row.assignee, row.resolution), (None, None));
    assert_eq!((row.version.get(), row.added_position.get()), (1, 1));
    assert_eq!(row.added_at, row.changed_at);
}

#[test]
fn each_change_is_shown() {
    let mut events = vec![added("No light"), retitled("Dark"), assigned("ann"), assigned("bob")];
    let open = row(&events);
    assert_eq!((open.title, open.assignee), (title("Dark"), Some(assignee("bob"))));
    events.push(closed("A new bulb.", 1));
    let done = row(&events);
    assert_eq!(
        (done.status, done.resolution),
        (Status::Closed, Some(resolution("A new bulb.")))
    );
    events.push(reopened());
    let again = row(&events);
    assert_eq!((again.status, again.resolution), (Status::Open, None));
    assert_eq!(again.assignee, Some(assignee("bob")), "who had it has it still");
    assert_eq!((again.version.get(), again.added_position.get()), (6, 1));
    assert!(again.changed_at >= again.added_at);
}

#[test]
fn the_place_in_the_list_is_where_the_ticket_was_added() {
    let other = TicketAdded {
        ticket: OTHER.parse().expect("an id"),
        organisation: None,
        title: title("Another one"),
        description: Default::default(),
    };
    let stream = format!("ticket-{OTHER}");
    let rows = rows::<TicketList>(&[
        (&stream, other.into()),
        (STREAM, added("No light")),
        (STREAM, retitled("Dark")),
    ]);
    let places: Vec<_> = rows.values().map(|row| (row.id, row.added_position.get())).collect();
    assert_eq!(places, [(id(), 2), (OTHER.parse().expect("an id"), 1)]);
}
