//! Events: past facts, as a context types them and as a log records them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::names::{Checkpoint, Position, StreamName, Version};
use crate::panic_text;

/// The largest event, in bytes of its JSON.
pub const EVENT_MAX_BYTES: usize = 256 * 1024;
/// The largest metadata, in bytes of its JSON.
pub const METADATA_MAX_BYTES: usize = 8 * 1024;
/// The longest event type, in characters.
pub const EVENT_TYPE_MAX: usize = 100;
/// The longest correlation id, traceparent and actor, in visible characters.
pub const METADATA_FIELD_MAX: usize = 255;

/// The wire name and schema version of an event. A released pair never changes its meaning: a new
/// shape gets the next version, and old ones are upcast in [`Event::decode`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct EventType {
    /// The wire name, a past tense such as `ProductQuantityShipped`.
    #[serde(rename = "type")]
    pub name: &'static str,
    /// The version of the data's shape, from 1.
    pub schema_version: u32,
}

impl EventType {
    /// The event type of this name and schema version.
    pub const fn new(name: &'static str, schema_version: u32) -> Self {
        Self { name, schema_version }
    }
}

/// All the events of one log, usually an enum with a variant per fact.
pub trait Event: Clone + Send + Sync + 'static {
    /// Every type that is written today, each once; what older releases wrote is for `decode` alone.
    const TYPES: &'static [EventType];

    /// The type of this event.
    fn event_type(&self) -> EventType;

    /// The event's data as JSON; [`to_json`] does it for a serde struct.
    ///
    /// # Errors
    /// What serde says when the data has no JSON form.
    fn encode(&self) -> Result<Json, serde_json::Error>;

    /// The event that these data record; older schema versions are upcast here, with an arm each.
    ///
    /// # Errors
    /// [`DecodeError::Unknown`] for a type or version that this code does not know (a newer
    /// release wrote it), [`DecodeError::Data`] for data of another shape.
    fn decode(raw: &RawEvent) -> Result<Self, DecodeError>;
}

/// A log's name together with its events.
pub trait Log: Send + Sync + 'static {
    /// The log's wire name, e.g. `warehouse`: lower-case letters, digits and `_`.
    const NAME: &'static str;
    /// Everything that can happen in it.
    type Event: Event;
}

/// JSON text, kept as it was written so that log and broker carry the same bytes. Cheap to clone.
pub type Json = Arc<RawValue>;

/// `value` as JSON text.
///
/// # Errors
/// What serde says when the value has no JSON form.
pub fn to_json(value: &impl Serialize) -> Result<Json, serde_json::Error> {
    serde_json::value::to_raw_value(value).map(Arc::from)
}

/// An event as a log or a message holds it, before it is decoded.
#[derive(Debug, Clone, Serialize)]
pub struct RawEvent {
    /// The wire name.
    #[serde(rename = "type")]
    pub event_type: Arc<str>,
    /// The version of the data's shape.
    pub schema_version: u32,
    /// The data, JSON text.
    pub data: Json,
}

impl RawEvent {
    /// The data as a serde type: what an arm of [`Event::decode`] calls.
    ///
    /// # Errors
    /// [`DecodeError::Data`] when the data have another shape.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        serde_json::from_str(self.data.get()).map_err(|source| DecodeError::Data {
            event_type: self.event_type.to_string(),
            schema_version: self.schema_version,
            source,
        })
    }

    /// The event decoded.
    ///
    /// # Errors
    /// As [`Event::decode`], and [`DecodeError::Panic`] when that panics.
    pub fn decode<E: Event>(&self) -> Result<E, DecodeError> {
        // Only read, so nothing half-changed outlives a panic.
        catch_unwind(AssertUnwindSafe(|| E::decode(self))).unwrap_or_else(|panic| {
            Err(DecodeError::Panic {
                event_type: self.event_type.to_string(),
                schema_version: self.schema_version,
                reason: panic_text(&*panic),
            })
        })
    }

    /// The error for a type or version without an arm in [`Event::decode`].
    pub fn unknown(&self) -> DecodeError {
        DecodeError::Unknown {
            event_type: self.event_type.to_string(),
            schema_version: self.schema_version,
        }
    }
}

impl PartialEq for RawEvent {
    fn eq(&self, other: &Self) -> bool {
        self.event_type == other.event_type
            && self.schema_version == other.schema_version
            && self.data.get() == other.data.get()
    }
}

/// Why recorded data are no event for this code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// No code here knows the type or its version: a newer release wrote it.
    #[error("unknown event type {event_type} v{schema_version}")]
    Unknown {
        /// The wire name.
        event_type: String,
        /// The schema version.
        schema_version: u32,
    },
    /// The data have another shape than their type says.
    #[error("data of {event_type} v{schema_version} can't be decoded")]
    Data {
        /// The wire name.
        event_type: String,
        /// The schema version.
        schema_version: u32,
        /// What serde says.
        source: serde_json::Error,
    },
    /// [`Event::decode`] panicked.
    #[error("decoding {event_type} v{schema_version} panicked: {reason}")]
    Panic {
        /// The wire name.
        event_type: String,
        /// The schema version.
        schema_version: u32,
        /// What the panic said.
        reason: String,
    },
}

/// Where an event comes from. Each text has at most 255 visible characters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Metadata {
    /// The same for everything that one request set off.
    pub correlation_id: Option<Arc<str>>,
    /// The id of the event that a process manager answered with this one's command.
    pub causation_id: Option<Uuid>,
    /// Who sent the command.
    pub actor: Option<Arc<str>>,
    /// W3C trace context of the request.
    pub traceparent: Option<Arc<str>>,
}

/// An event in its place in the log. `E` is a context's event, or [`RawEvent`] before decoding.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded<E = RawEvent> {
    /// Its number in the log.
    pub position: Position,
    /// The stream it belongs to.
    pub stream: StreamName,
    /// Its number in the stream.
    pub version: Version,
    /// Its own id.
    pub id: Uuid,
    /// The id of the event before it in the log; nil at position 1.
    pub previous_id: Uuid,
    /// The event.
    pub event: E,
    /// Where it comes from.
    pub metadata: Metadata,
    /// When the log recorded it, in microseconds.
    pub recorded_at: Timestamp,
}

impl<E> Recorded<E> {
    /// The checkpoint of whoever has applied this event.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            position: self.position,
            event_id: self.id,
        }
    }

    /// The same place with another form of the event.
    pub fn with<F>(&self, event: F) -> Recorded<F> {
        Recorded {
            position: self.position,
            stream: self.stream.clone(),
            version: self.version,
            id: self.id,
            previous_id: self.previous_id,
            event,
            metadata: self.metadata.clone(),
            recorded_at: self.recorded_at,
        }
    }
}

impl<E: Event> Recorded<E> {
    /// The event encoded as it would be written today.
    ///
    /// # Errors
    /// As [`Event::encode`].
    pub fn encode(&self) -> Result<Recorded<RawEvent>, serde_json::Error> {
        let EventType { name, schema_version } = self.event.event_type();
        Ok(self.with(RawEvent {
            event_type: name.into(),
            schema_version,
            data: self.event.encode()?,
        }))
    }
}

impl Recorded<RawEvent> {
    /// The event decoded.
    ///
    /// # Errors
    /// As [`RawEvent::decode`].
    pub fn decode<E: Event>(&self) -> Result<Recorded<E>, DecodeError> {
        self.event.decode().map(|event| self.with(event))
    }

    /// The form in which the event feed and the command line show it, with the log's name.
    pub fn to_public<'a>(&'a self, log: &'a str) -> PublicEvent<'a> {
        PublicEvent {
            log,
            position: self.position,
            stream: &self.stream,
            version: self.version,
            id: self.id,
            event_type: &self.event.event_type,
            schema_version: self.event.schema_version,
            data: &self.event.data,
            previous_id: self.previous_id,
            metadata: &self.metadata,
            recorded_at: self.recorded_at,
        }
    }
}

/// An event as the outside sees it, in JSON.
#[derive(Debug, Serialize)]
pub struct PublicEvent<'a> {
    log: &'a str,
    position: Position,
    stream: &'a StreamName,
    version: Version,
    id: Uuid,
    #[serde(rename = "type")]
    event_type: &'a str,
    schema_version: u32,
    data: &'a RawValue,
    previous_id: Uuid,
    metadata: &'a Metadata,
    recorded_at: Timestamp,
}
