use callboard::spec::Spec;

use super::AssignTicket;
use crate::Tickets;
use crate::event::samples::{STREAM, actor, added, assigned, assignee, closed, id, outsider, reopened};

fn assign(name: &str) -> AssignTicket {
    AssignTicket {
        ticket: id(),
        assignee: assignee(name),
    }
}

fn board() -> Spec<Tickets> {
    Spec::new()
        .given(STREAM, [added("No light")])
        .by(actor("lea", &["agent"]))
}

#[test]
fn agents_and_leads_assign_tickets() {
    for roles in [&["agent"][..], &["lead"], &["janitor", "lead"]] {
        board()
            .by(actor("lea", roles))
            .when(assign("ann"))
            .then([assigned("ann")]);
    }
}

#[test]
fn nobody_else_assigns_not_even_to_himself() {
    for roles in [&[][..], &["Agent"], &["agents"], &["janitor"]] {
        let refused = board().by(actor("ann", roles)).when(assign("ann")).result();
        let reason = refused.expect_err("no agent").to_string();
        assert_eq!(reason, "Only an agent or a lead may assign a ticket.");
    }
}

#[test]
fn the_present_assignee_changes_nothing_another_one_takes_over() {
    let anns = board().given(STREAM, [assigned("ann")]);
    anns.when(assign("ann")).then_nothing();
    anns.when(assign("bob")).then([assigned("bob")]);
}

#[test]
fn a_closed_ticket_is_not_assigned_not_even_to_the_one_who_had_it() {
    let closed = board().given(STREAM, [assigned("ann"), closed("A new bulb.", 1)]);
    closed.when(assign("bob")).then_refused("ticket-closed");
    closed.when(assign("ann")).then_refused("ticket-closed");
    // Reopened, it is still hers.
    closed.given(STREAM, [reopened()]).when(assign("ann")).then_nothing();
}

#[test]
fn nobody_acts_outside_of_its_own_organisation() {
    let reason = board().by(outsider()).when(assign("ann")).result();
    let reason = reason.expect_err("another organisation's").to_string();
    assert_eq!(reason, "The ticket belongs to another organisation.");
}

#[test]
fn an_unknown_ticket_is_not_found_by_those_who_may_assign() {
    let nothing = Spec::<Tickets>::new().by(actor("lea", &["lead"]));
    nothing.when(assign("ann")).then_refused("no-such-ticket");
    Spec::<Tickets>::new().when(assign("ann")).then_forbidden();
}
