use callboard::spec::rows;

use super::TicketHistory;
use crate::event::samples::{STREAM, added, assigned, closed, id, reopened, retitled};

#[test]
fn every_event_is_a_row_with_what_it_changed() {
    let all = [
        added("No light"),
        retitled("Dark"),
        assigned("ann"),
        closed("A new bulb.", 1),
        reopened(),
        closed("Another one.", 2),
    ];
    let rows = rows::<TicketHistory>(&all.map(|event| (STREAM, event)));
    assert!(rows.keys().all(|(ticket, _)| *ticket == id()));
    let shown: Vec<_> = rows
        .values()
        .map(|row| {
            let texts = [
                row.title.as_ref().map(|title| title.as_str()),
                row.assignee.as_ref().map(|assignee| assignee.as_str()),
                row.resolution.as_ref().map(|resolution| resolution.as_str()),
            ];
            (row.version.get(), &*row.event, texts)
        })
        .collect();
    assert_eq!(
        shown,
        [
            (1, "TicketAdded", [Some("No light"), None, None]),
            (2, "TicketRetitled", [Some("Dark"), None, None]),
            (3, "TicketAssigned", [None, Some("ann"), None]),
            (4, "TicketClosed", [None, None, Some("A new bulb.")]),
            (5, "TicketReopened", [None, None, None]),
            (6, "TicketClosed", [None, None, Some("Another one.")]),
        ]
    );
}
