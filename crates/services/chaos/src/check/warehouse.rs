//! What only the warehouse's events say.

use std::collections::HashMap;

use callboard::Recorded;
use uuid::Uuid;
use warehouse::WarehouseEvent;

use super::Findings;

type Event = Recorded<WarehouseEvent>;

/// Quantities, and notifications.
pub fn check(events: &[Event], findings: &mut Findings) {
    quantities(events, findings);
    notified(events, findings);
}

/// They follow from each other.
fn quantities(events: &[Event], findings: &mut Findings) {
    let mut states: HashMap<&str, i64> = HashMap::new();
    for event in events {
        let on_hand = states.entry(event.stream.as_str()).or_default();
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
        if left != *on_hand || left < 0 {
            findings.wrong.push(format!("{on_hand} should be left: {event:?}"));
        }
    }
}

/// The notifications in a log.
pub fn notifications(events: &[Event]) -> impl Iterator<Item = &Event> {
    events.iter().filter(|event| is_notification(&event.event))
}

/// Whether it is one.
pub fn is_notification(event: &WarehouseEvent) -> bool {
    matches!(event, WarehouseEvent::NotifiedLowProductQuantity(_))
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
