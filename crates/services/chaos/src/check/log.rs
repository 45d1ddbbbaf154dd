//! The log against what clients were told, and against itself.

use std::collections::{HashMap, HashSet};

use callboard::Recorded;
use conformance::model::Verb;
use uuid::Uuid;
use warehouse::WarehouseEvent;

use super::Findings;
use crate::ledger::{Command, Fate, Receipt, Sent};

type Event = Recorded<WarehouseEvent>;

/// Positions, streams, receipts, clients' order, notifications.
pub fn check(events: &[Event], sent: &[Sent], findings: &mut Findings) {
    positions(events, findings);
    streams(events, findings);
    receipts(events, sent, findings);
    unasked(events, sent, findings);
    notified(events, findings);
}

/// From 1 on without a gap, each with the id of the one before.
fn positions(events: &[Event], findings: &mut Findings) {
    let mut previous = Uuid::nil();
    for (event, position) in events.iter().zip(1..) {
        if event.position.get() != position || event.previous_id != previous {
            let what = format!("at {position} is {event:?} after {previous}");
            findings.disordered.push(what);
        }
        previous = event.id;
    }
}

/// Versions without a gap, and quantities that follow from each other.
fn streams(events: &[Event], findings: &mut Findings) {
    let mut states: HashMap<&str, (u64, i64)> = HashMap::new();
    for event in events {
        let (version, on_hand) = states.entry(event.stream.as_str()).or_default();
        let left = match &event.event {
            WarehouseEvent::ProductQuantityIncreased(event) => {
                *on_hand += event.quantity.get();
                event.quantity_on_hand.get()
            }
            WarehouseEvent::ProductQuantityShipped(event) => {
                *on_hand -= event.quantity.get();
                event.quantity_on_hand.get()
            }
            WarehouseEvent::NotifiedLowProductQuantity(_) => *on_hand,
        };
        *version += 1;
        if event.version.get() != *version {
            findings.disordered.push(format!("not version {version}: {event:?}"));
        }
        if left != *on_hand || left < 0 {
            findings.wrong.push(format!("{on_hand} should be left: {event:?}"));
        }
    }
}

/// Each accepted command's event is there, as its receipt says, and behind all that its client knew.
fn receipts(events: &[Event], sent: &[Sent], findings: &mut Findings) {
    let mut taken = HashSet::new();
    for Sent { command, after, fate } in sent {
        let Fate::Done(receipt) = fate else {
            if *fate != Fate::Refused && *fate != Fate::RefusedAgain {
                findings.wrong.push(format!("never answered: {command:?}"));
            }
            continue;
        };
        let place = usize::try_from(receipt.position).ok().and_then(|at| at.checked_sub(1));
        let event = place.and_then(|place| events.get(place));
        if !event.is_some_and(|event| is(event, command, receipt)) {
            findings
                .lost
                .push(format!("{command:?} has {receipt:?}, but there is {event:?}"));
        }
        if !taken.insert(receipt.id) {
            findings.lost.push(format!("{command:?} has another's {receipt:?}"));
        }
        if receipt.position <= *after {
            findings
                .disordered
                .push(format!("{command:?} after {after}: {receipt:?}"));
        }
    }
}

fn is(event: &Event, command: &Command, receipt: &Receipt) -> bool {
    let (event_type, sku, quantity) = match &event.event {
        WarehouseEvent::ProductQuantityIncreased(event) => (Verb::Increase, &event.sku, event.quantity),
        WarehouseEvent::ProductQuantityShipped(event) => (Verb::Ship, &event.sku, event.quantity),
        WarehouseEvent::NotifiedLowProductQuantity(_) => return false,
    };
    let named = callboard::Event::event_type(&event.event).name;
    event.id == receipt.id
        && event.version.get() == receipt.version
        && named == receipt.event_type
        && event.metadata.correlation_id.as_deref() == Some(command.key.as_str())
        && (event_type, sku.to_string(), quantity.get()) == (command.verb, command.sku.clone(), command.quantity)
}

/// Each event that is no notification is somebody's receipt.
fn unasked(events: &[Event], sent: &[Sent], findings: &mut Findings) {
    let ids: HashSet<Uuid> = sent
        .iter()
        .filter_map(|sent| match &sent.fate {
            Fate::Done(receipt) => Some(receipt.id),
            _ => None,
        })
        .collect();
    let asked = |event: &&Event| ids.contains(&event.id) || is_notification(event);
    for event in events.iter().filter(|event| !asked(event)) {
        findings.doubled.push(format!("no receipt is of {event:?}"));
    }
}

/// The notifications in a log.
pub fn notifications(events: &[Event]) -> impl Iterator<Item = &Event> {
    events.iter().filter(|event| is_notification(event))
}

fn is_notification(event: &Event) -> bool {
    matches!(event.event, WarehouseEvent::NotifiedLowProductQuantity(_))
}

/// Each shipment that leaves a low quantity has one notification, and they are in its order.
fn notified(events: &[Event], findings: &mut Findings) {
    let mut expected: HashMap<Uuid, &Event> = HashMap::new();
    for event in events {
        if matches!(&event.event, WarehouseEvent::ProductQuantityShipped(shipped) if shipped.quantity_on_hand.is_low())
        {
            expected.insert(event.id, event);
        }
    }
    let mut last = 0;
    for event in notifications(events) {
        let cause = event.metadata.causation_id.and_then(|id| expected.remove(&id));
        let Some(cause) = cause else {
            findings.doubled.push(format!("nothing calls for {event:?}"));
            continue;
        };
        let cause = cause.position.get();
        if cause < last || event.position.get() < cause {
            findings
                .disordered
                .push(format!("the cause of {event:?} is at {cause}"));
        }
        last = cause;
    }
    for event in expected.into_values() {
        findings.lost.push(format!("nobody was told of {event:?}"));
    }
}
