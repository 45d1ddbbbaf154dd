//! Messages back to recorded events; whatever isn't ours gives a reason, never a panic.

use std::sync::Arc;

use callboard::{EVENT_MAX_BYTES, EVENT_TYPE_MAX, Json, Metadata, Position, RawEvent, Recorded, StreamName, Version};
use jiff::Timestamp;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::message::{APP_ID, frame};

/// The events of `log` that a message holds, whichever kind it is: a frame, or an event's own.
///
/// # Errors
/// As [`decode`] and [`frame::decode`].
pub fn decode_all(log: &str, properties: &BasicProperties, body: &[u8]) -> Result<Vec<Recorded>, String> {
    if frame::is_frame(properties) {
        frame::decode(log, properties, body)
    } else {
        decode(log, properties, body).map(|event| vec![event])
    }
}

/// The event of `log` that a message is.
///
/// # Errors
/// Why it is none, for people; never more of the message than a name or a number.
pub fn decode(log: &str, properties: &BasicProperties, body: &[u8]) -> Result<Recorded, String> {
    let headers = headers_of(log, properties)?;
    let position = headers.number("position")?;
    let version = headers.number("version")?;
    if position == 0 || version == 0 {
        return Err("positions and versions are from 1".into());
    }
    Ok(Recorded {
        position: Position::new(position),
        stream: StreamName::parse(headers.text("stream")?).map_err(|_| "its header stream is no stream name")?,
        version: Version::new(version),
        id: uuid("property message_id", property("message_id", properties.message_id())?)?,
        previous_id: uuid("header previous_id", headers.text("previous_id")?)?,
        event: RawEvent {
            event_type: event_type(property("type", properties.kind())?)?,
            schema_version: u32::try_from(headers.number("schema_version")?)
                .map_err(|_| "its header schema_version is too large")?,
            data: data(body)?,
        },
        metadata: metadata(headers.text("metadata")?)?,
        recorded_at: timestamp(headers.text("recorded_at")?)?,
    })
}

/// The headers of a message of ours about this log.
pub(super) fn headers_of<'a>(log: &str, properties: &'a BasicProperties) -> Result<Headers<'a>, String> {
    let app_id = property("app_id", properties.app_id())?;
    if app_id != APP_ID {
        return Err(format!("its app_id is not {APP_ID}"));
    }
    let headers = Headers(properties.headers().as_ref().ok_or("it has no headers")?);
    if headers.text("log")? != log {
        return Err(format!("its header log is not {log}"));
    }
    Ok(headers)
}

pub(super) fn property<'a>(name: &str, value: &'a Option<ShortString>) -> Result<&'a str, String> {
    value
        .as_ref()
        .map(ShortString::as_str)
        .ok_or_else(|| format!("it has no property {name}"))
}

pub(super) fn event_type(name: &str) -> Result<Arc<str>, String> {
    if (1..=EVENT_TYPE_MAX).contains(&name.chars().count()) {
        Ok(name.into())
    } else {
        Err(format!("its type has not 1 to {EVENT_TYPE_MAX} characters"))
    }
}

pub(super) fn uuid(what: &str, text: &str) -> Result<Uuid, String> {
    Uuid::try_parse(text).map_err(|_| format!("its {what} is no UUID"))
}

fn timestamp(text: &str) -> Result<Timestamp, String> {
    text.parse()
        .map_err(|_| "its header recorded_at is no RFC 3339 time".into())
}

fn metadata(text: &str) -> Result<Metadata, String> {
    serde_json::from_str(text).map_err(|_| "its header metadata is not our metadata in JSON".into())
}

fn data(body: &[u8]) -> Result<Json, String> {
    if body.len() > EVENT_MAX_BYTES {
        return Err(format!("its body has more than {EVENT_MAX_BYTES} bytes"));
    }
    let data: Box<RawValue> = serde_json::from_slice(body).map_err(|_| "its body is not JSON")?;
    Ok(data.into())
}

pub(super) struct Headers<'a>(&'a FieldTable);

impl<'a> Headers<'a> {
    fn get(&self, name: &str) -> Result<&'a AMQPValue, String> {
        self.0
            .inner()
            .get(name)
            .ok_or_else(|| format!("it has no header {name}"))
    }

    pub(super) fn text(&self, name: &str) -> Result<&'a str, String> {
        let text = match self.get(name)? {
            AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok(),
            AMQPValue::ShortString(text) => Some(text.as_str()),
            _ => None,
        };
        text.ok_or_else(|| format!("its header {name} is no text"))
    }

    /// A number of any width: who sends a message again may choose another one.
    pub(super) fn number(&self, name: &str) -> Result<u64, String> {
        let number = match *self.get(name)? {
            AMQPValue::LongLongInt(number) => number.into(),
            AMQPValue::LongInt(number) => number.into(),
            AMQPValue::LongUInt(number) => number.into(),
            AMQPValue::ShortInt(number) => number.into(),
            AMQPValue::ShortUInt(number) => number.into(),
            AMQPValue::ShortShortInt(number) => number.into(),
            AMQPValue::ShortShortUInt(number) => number.into(),
            _ => -1_i128,
        };
        u64::try_from(number).map_err(|_| format!("its header {name} is no number from 0"))
    }
}
