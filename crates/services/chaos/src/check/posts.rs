//! What the webhook has posted, against the tickets' log: each event under its own id, as the feed shows
//! it, those of a ticket in order. A repeat is known by its id.

use std::collections::{HashMap, HashSet};

use callboard::{Log, Recorded};
use serde_json::Value;
use tickets::ticket_webhook::receiver::Received;
use tickets::{Tickets, TicketsEvent};

use super::Findings;
use super::log::shown;

/// The events that are to be posted.
pub fn posted(events: &[Recorded<TicketsEvent>]) -> impl Iterator<Item = &Recorded<TicketsEvent>> {
    let posted =
        |event: &TicketsEvent| matches!(event, TicketsEvent::TicketAssigned(_) | TicketsEvent::TicketClosed(_));
    events.iter().filter(move |event| posted(&event.event))
}

/// Tells what was never posted, posted of nothing, or posted before an earlier event of its ticket.
pub fn check(events: &[Recorded<TicketsEvent>], received: &[Received], findings: &mut Findings) {
    let expected: HashMap<String, _> = posted(events).map(|event| (event.id.to_string(), event)).collect();
    let (mut first, mut versions) = (HashSet::new(), HashMap::new());
    for post in received {
        let Some(event) = expected.get(post.key()) else {
            findings.doubled.push(format!("no event calls for the post {post:?}"));
            continue;
        };
        if public(event).as_ref() != Some(&post.body) {
            findings
                .wrong
                .push(format!("posted as {}: {}", post.body, shown(event)));
        }
        if !first.insert(event.id) {
            continue;
        }
        let last = versions.insert(event.stream.as_str(), event.version);
        if last.is_some_and(|last| last > event.version) {
            findings
                .disordered
                .push(format!("posted after version {last:?}: {}", shown(event)));
        }
    }
    for event in posted(events).filter(|event| !first.contains(&event.id)) {
        findings.lost.push(format!("nobody was posted {}", shown(event)));
    }
}

fn public(event: &Recorded<TicketsEvent>) -> Option<Value> {
    let encoded = event.encode().ok()?;
    serde_json::to_value(encoded.to_public(Tickets::NAME)).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use callboard::{Metadata, StreamName};
    use serde_json::json;
    use uuid::Uuid;

    use super::super::sample;
    use super::*;

    fn event(position: u64, name: &str, data: &Value) -> Recorded<TicketsEvent> {
        sample::event(StreamName::of("ticket", 1), position, name, data, Metadata::default())
    }

    fn events() -> Vec<Recorded<TicketsEvent>> {
        let id = Uuid::from_u64_pair(1, 1);
        let assigned = |position, who| event(position, "TicketAssigned", &json!({ "ticket": id, "assignee": who }));
        vec![
            event(1, "TicketRetitled", &json!({ "ticket": id, "title": "No light" })),
            assigned(2, "ann"),
            assigned(3, "bob"),
        ]
    }

    fn post(event: &Recorded<TicketsEvent>) -> Received {
        Received {
            headers: HashMap::from([("idempotency-key".to_owned(), event.id.to_string())]),
            body: public(event).unwrap(),
        }
    }

    /// How many are lost, doubled, out of order and wrong when these are posted.
    fn found(posted: &[usize], change: fn(&mut Received)) -> [usize; 4] {
        let (events, mut findings) = (events(), Findings::default());
        let mut received: Vec<_> = posted.iter().map(|place| post(&events[*place])).collect();
        received.last_mut().into_iter().for_each(change);
        check(&events, &received, &mut findings);
        [
            findings.lost.len(),
            findings.doubled.len(),
            findings.disordered.len(),
            findings.wrong.len(),
        ]
    }

    #[test]
    fn posts_that_are_lost_needless_out_of_order_and_changed_are_found() {
        assert_eq!(found(&[1, 2], |_| {}), [0; 4]);
        assert_eq!(found(&[1, 1, 2, 1], |_| {}), [0; 4], "a repeat has the same id");
        assert_eq!(found(&[1], |_| {}), [1, 0, 0, 0]);
        assert_eq!(found(&[1, 2, 0], |_| {}), [0, 1, 0, 0]);
        assert_eq!(found(&[2, 1], |_| {}), [0, 0, 1, 0]);
        assert_eq!(
            found(&[1, 2], |post| post.body["data"]["assignee"] = "eve".into()),
            [0, 0, 0, 1]
        );
    }
}
