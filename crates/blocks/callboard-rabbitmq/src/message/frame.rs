//! Frames: consecutive events of a log as one message, for our own subscribers.
//!
//! A message costs a broker about the same, however many events it holds. The body is a JSON array
//! of events as the event feed shows them; the headers say which ones these are.

use std::borrow::Cow;

use callboard::{EVENT_MAX_BYTES, Metadata, Position, RawEvent, Recorded, StreamName, Version};
use jiff::Timestamp;
use lapin::BasicProperties;
use lapin::types::{FieldTable, ShortString};
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::error::BrokerError;
use crate::message::decode::{event_type, headers_of, property, uuid};
use crate::message::{APP_ID, CONTENT_TYPE, PERSISTENT, number, text, unpublishable};

/// The `type` of a frame, with the version of its shape.
pub const FRAME_TYPE: &str = "callboard.frame.v1";
/// The most events that a relay puts into a frame.
pub const FRAME_MAX_EVENTS: usize = 256;
/// The most bytes in a frame's body, unless a single event has more. Around its data, an event has
/// 300 to 500 bytes here, so this is mostly the narrower bound.
pub const FRAME_MAX_BYTES: usize = 64 * 1024;
/// More bytes than the largest event and what stands around it.
const BODY_MAX_BYTES: usize = EVENT_MAX_BYTES + FRAME_MAX_BYTES;

/// Consecutive events, ready to be published.
#[derive(Debug, Clone)]
pub struct Frame {
    /// `<log>.frame.v1`.
    pub routing_key: ShortString,
    /// Properties and headers: `log`, `first_position`, `last_position`, `count`, and the
    /// `previous_id` of the first event. The `message_id` is the id of the last one.
    pub properties: BasicProperties,
    /// A JSON array of the events.
    pub body: Vec<u8>,
    /// Where its first event stands.
    pub first: Position,
    /// Where its last event stands.
    pub last: Position,
}

impl Frame {
    /// How many events it holds.
    pub fn events(&self) -> u64 {
        self.last.get() - self.first.get() + 1
    }
}

/// Consecutive events of `log` as frames, each as large as it may be.
///
/// # Errors
/// [`BrokerError::Unpublishable`] when the log's name is longer than AMQP allows.
pub fn encode(log: &str, events: &[Recorded]) -> Result<Vec<Frame>, BrokerError> {
    let mut frames = Vec::new();
    let mut framing = Framing::new(log);
    for event in events {
        if !framing.push(event)? {
            frames.extend(std::mem::replace(&mut framing, Framing::new(log)).finish()?);
            framing.push(event)?;
        }
    }
    frames.extend(framing.finish()?);
    Ok(frames)
}

/// A frame in the making.
pub(crate) struct Framing<'a> {
    log: &'a str,
    body: Vec<u8>,
    events: usize,
    /// The position of the first event, and the id before it.
    first: Option<(Position, Uuid)>,
    /// The position of the last event, its id, and when it was recorded.
    last: Option<(Position, Uuid, Timestamp)>,
}

impl<'a> Framing<'a> {
    pub(crate) fn new(log: &'a str) -> Self {
        Self {
            log,
            body: vec![b'['],
            events: 0,
            first: None,
            last: None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.events
    }

    /// Takes the next event; false when it is full. The first one always fits.
    pub(crate) fn push(&mut self, event: &Recorded) -> Result<bool, BrokerError> {
        let taken = self.body.len();
        if self.events > 0 {
            self.body.push(b',');
        }
        serde_json::to_writer(&mut self.body, &event.to_public(self.log))
            .map_err(|error| unpublishable(event.position, error.to_string()))?;
        // And the bracket that ends it.
        if self.events > 0 && self.body.len() + 1 > FRAME_MAX_BYTES {
            self.body.truncate(taken);
            return Ok(false);
        }
        self.events += 1;
        self.first.get_or_insert((event.position, event.previous_id));
        self.last = Some((event.position, event.id, event.recorded_at));
        Ok(true)
    }

    /// The frame; `None` when nothing was pushed.
    pub(crate) fn finish(mut self) -> Result<Option<Frame>, BrokerError> {
        let (Some((first, previous_id)), Some((last, id, recorded_at))) = (self.first, self.last) else {
            return Ok(None);
        };
        self.body.push(b']');
        let refused = |reason: String| unpublishable(first, reason);
        let short = |text: String| ShortString::try_new(text).map_err(|error| refused(error.to_string()));
        let headers = headers(self.log, (first, last), self.events, previous_id).map_err(refused)?;
        let properties = BasicProperties::default()
            .with_message_id(short(id.to_string())?)
            .with_type(FRAME_TYPE.into())
            .with_content_type(CONTENT_TYPE.into())
            .with_timestamp(recorded_at.as_second().try_into().unwrap_or(0))
            .with_app_id(APP_ID.into())
            .with_delivery_mode(PERSISTENT)
            .with_headers(headers);
        Ok(Some(Frame {
            routing_key: short(format!("{}.frame.v1", self.log))?,
            properties,
            body: self.body,
            first,
            last,
        }))
    }
}

fn headers(
    log: &str,
    (first, last): (Position, Position),
    count: usize,
    previous_id: Uuid,
) -> Result<FieldTable, String> {
    let mut headers = FieldTable::default();
    headers.insert("log".into(), text(log));
    headers.insert("first_position".into(), number(first.get())?);
    headers.insert("last_position".into(), number(last.get())?);
    headers.insert("count".into(), number(count as u64)?);
    headers.insert("previous_id".into(), text(previous_id.to_string()));
    Ok(headers)
}

/// An event in a frame: a [`callboard::PublicEvent`], read.
#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    log: Cow<'a, str>,
    position: u64,
    #[serde(borrow)]
    stream: Cow<'a, str>,
    version: u64,
    id: Uuid,
    #[serde(borrow, rename = "type")]
    event_type: Cow<'a, str>,
    schema_version: u32,
    #[serde(borrow)]
    data: &'a RawValue,
    previous_id: Uuid,
    #[serde(borrow)]
    metadata: &'a RawValue,
    recorded_at: Timestamp,
}

impl<'a> Entry<'a> {
    fn decode(self, log: &str) -> Result<Recorded, String> {
        let Self { position, version, .. } = self;
        if self.log != log {
            return Err(format!("its event at position {position} is not of the log {log}"));
        }
        if position == 0 || version == 0 {
            return Err("positions and versions are from 1".into());
        }
        if self.data.get().len() > EVENT_MAX_BYTES {
            return Err(format!(
                "its event at position {position} has more than {EVENT_MAX_BYTES} bytes"
            ));
        }
        let metadata: Metadata = serde_json::from_str(self.metadata.get())
            .map_err(|_| format!("the metadata of its event at position {position} is not ours"))?;
        Ok(Recorded {
            position: Position::new(position),
            stream: StreamName::parse(&self.stream)
                .map_err(|_| format!("the stream of its event at position {position} is no stream name"))?,
            version: Version::new(version),
            id: self.id,
            previous_id: self.previous_id,
            event: RawEvent {
                event_type: event_type(&self.event_type)?,
                schema_version: self.schema_version,
                data: self.data.to_owned().into(),
            },
            metadata,
            recorded_at: self.recorded_at,
        })
    }
}

/// Whether a message says that it is a frame.
pub(crate) fn is_frame(properties: &BasicProperties) -> bool {
    properties
        .kind()
        .as_ref()
        .is_some_and(|kind| kind.as_str() == FRAME_TYPE)
}

/// How many events a frame says to hold.
pub(crate) fn count(properties: &BasicProperties) -> Option<u64> {
    let headers = properties.headers().as_ref()?.inner();
    headers.get("count")?.as_long_long_int()?.try_into().ok()
}

/// The events that a frame says to hold.
pub(crate) struct Range {
    pub(crate) first: u64,
    last: u64,
    pub(crate) count: u64,
    /// The id of the event before the first one.
    pub(crate) previous_id: Uuid,
    pub(crate) last_id: Uuid,
}

impl Range {
    fn of(log: &str, properties: &BasicProperties) -> Result<Self, String> {
        let headers = headers_of(log, properties)?;
        Ok(Self {
            first: headers.number("first_position")?,
            last: headers.number("last_position")?,
            count: headers.number("count")?,
            previous_id: uuid("header previous_id", headers.text("previous_id")?)?,
            last_id: uuid("property message_id", property("message_id", properties.message_id())?)?,
        })
    }
}

/// Which events of `log` a message holds, if it says that it is a frame of ours.
pub(crate) fn range(log: &str, properties: &BasicProperties) -> Option<Range> {
    is_frame(properties).then(|| Range::of(log, properties).ok())?
}

/// The events of `log` that a frame holds, at least one: consecutive, each with the id of the one
/// before it.
///
/// # Errors
/// Why it is no frame, for people; never more of the message than a name or a number. Nothing of a
/// frame that isn't right throughout is taken.
pub fn decode(log: &str, properties: &BasicProperties, body: &[u8]) -> Result<Vec<Recorded>, String> {
    let Range {
        first,
        last,
        count,
        mut previous_id,
        last_id,
    } = Range::of(log, properties)?;
    if body.len() > BODY_MAX_BYTES {
        return Err(format!("its body has more than {BODY_MAX_BYTES} bytes"));
    }
    // Read as text: a reader of bytes would look at each event's data for UTF-8 once more.
    let entries = std::str::from_utf8(body).ok().map(serde_json::from_str);
    let entries: Vec<Entry<'_>> = entries
        .and_then(Result::ok)
        .ok_or("its body is not a JSON array of our events")?;
    if entries.is_empty() || entries.len() as u64 != count {
        return Err(format!(
            "its header count is {count}, and it holds {} events",
            entries.len()
        ));
    }
    let mut events: Vec<Recorded> = Vec::with_capacity(entries.len());
    for entry in entries {
        let event = entry.decode(log)?;
        let expected = events
            .last()
            .map_or(Some(first), |before| before.position.get().checked_add(1));
        if Some(event.position.get()) != expected {
            return Err(format!("its positions are not consecutive at {}", event.position));
        }
        if event.previous_id != previous_id {
            return Err(format!(
                "its event at position {} names another one before it",
                event.position
            ));
        }
        previous_id = event.id;
        events.push(event);
    }
    let end = events.last().map(|event| (event.position.get(), event.id));
    if end != Some((last, last_id)) {
        return Err(format!(
            "it does not end at position {last} with the event of its message_id"
        ));
    }
    Ok(events)
}
