//! The items' log as an older release of the suite knows it.

use super::views::{ItemEvent, ItemsLog};
use crate::event::{DecodeError, Event, EventType, Json, Log, RawEvent};

/// The log of the items as an older release knows it: nothing is ever removed.
pub struct OlderLog;

impl Log for OlderLog {
    const NAME: &'static str = ItemsLog::NAME;
    type Event = OlderEvent;
}

/// What an older release knows of.
#[derive(Debug, Clone, PartialEq)]
pub struct OlderEvent(pub ItemEvent);

impl Event for OlderEvent {
    const TYPES: &'static [EventType] = &[EventType::new("ItemPut", 1)];

    fn event_type(&self) -> EventType {
        self.0.event_type()
    }

    fn encode(&self) -> Result<Json, serde_json::Error> {
        self.0.encode()
    }

    fn decode(raw: &RawEvent) -> Result<Self, DecodeError> {
        match &*raw.event_type {
            "ItemPut" => ItemEvent::decode(raw).map(Self),
            _ => Err(raw.unknown()),
        }
    }
}
