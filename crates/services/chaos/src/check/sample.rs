//! Recorded events for the tests of the checks.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use callboard::{Event, Metadata, Position, RawEvent, Recorded, StreamName, Version, to_json};
use serde_json::Value;
use uuid::Uuid;

/// The id of the event at a position.
pub fn id(position: u64) -> Uuid {
    Uuid::from_u64_pair(0, position)
}

/// An event that stands in its stream where it stands in its log.
pub fn event<E: Event>(stream: StreamName, position: u64, name: &str, data: &Value, metadata: Metadata) -> Recorded<E> {
    let raw = RawEvent {
        event_type: name.into(),
        schema_version: 1,
        data: to_json(data).unwrap(),
    };
    Recorded {
        position: Position::new(position),
        stream,
        version: Version::new(position),
        id: id(position),
        previous_id: id(position - 1),
        event: E::decode(&raw).unwrap(),
        metadata,
        recorded_at: "2026-01-01T00:00:00Z".parse().unwrap(),
    }
}
