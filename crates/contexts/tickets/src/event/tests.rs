use callboard::{Event, RawEvent};
use serde_json::{Value, json};

use super::TicketsEvent;
use super::samples::{ID, added, assigned, closed, id, reopened, retitled};

fn samples() -> Vec<(TicketsEvent, &'static str, Value)> {
    vec![
        (
            added("No light"),
            "TicketAdded",
            json!({
                "ticket": ID, "organisation": "acme", "title": "No light", "description": "Since this morning.",
            }),
        ),
        (
            retitled("No light in the hall"),
            "TicketRetitled",
            json!({ "ticket": ID, "title": "No light in the hall" }),
        ),
        (
            assigned("ann"),
            "TicketAssigned",
            json!({ "ticket": ID, "assignee": "ann" }),
        ),
        (
            closed("A new bulb.", 1),
            "TicketClosed",
            json!({ "ticket": ID, "resolution": "A new bulb.", "closed_at": "1970-01-02T00:00:00Z" }),
        ),
        (reopened(), "TicketReopened", json!({ "ticket": ID })),
    ]
}

fn raw(event: &TicketsEvent) -> RawEvent {
    let event_type = event.event_type();
    let data = event.encode().expect("an event has a JSON form");
    RawEvent {
        event_type: event_type.name.into(),
        schema_version: event_type.schema_version,
        data,
    }
}

#[test]
fn the_wire_form_of_each_type_stays_as_it_was_released() {
    for (event, name, data) in samples() {
        let raw = raw(&event);
        assert_eq!((&*raw.event_type, raw.schema_version), (name, 1));
        assert_eq!(serde_json::from_str::<Value>(raw.data.get()).expect("JSON"), data);
        assert_eq!(event.ticket(), id());
    }
}

#[test]
fn each_type_decodes_to_the_very_same_event() {
    for (event, _, _) in samples() {
        assert_eq!(TicketsEvent::decode(&raw(&event)).expect("it was just encoded"), event);
    }
    let sampled: Vec<_> = samples().iter().map(|(event, _, _)| event.event_type()).collect();
    assert_eq!(sampled, TicketsEvent::TYPES, "each type has a sample");
}

#[test]
fn a_version_of_a_later_release_is_unknown() {
    let newer = RawEvent {
        schema_version: 2,
        ..raw(&reopened())
    };
    let error = TicketsEvent::decode(&newer).expect_err("nobody knows it yet");
    assert_eq!(error.to_string(), "unknown event type TicketReopened v2");
}
