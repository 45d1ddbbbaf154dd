//! Recorded events as AMQP messages, and back, without loss.
//!
//! An event's own message, for anybody: the body is the event's data, byte for byte; everything else
//! stands in properties and headers. `metadata` alone is read back; the headers with its parts are
//! for who filters or traces. [`frame`]s, for our own subscribers, hold many events each.

mod decode;
pub mod frame;

pub use decode::{decode, decode_all};
pub use frame::Frame;

use callboard::{Json, Position, Recorded};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use crate::error::BrokerError;

/// The `app_id` of our messages.
pub const APP_ID: &str = "callboard";
/// The `content_type` of our messages.
pub const CONTENT_TYPE: &str = "application/json";
/// The delivery mode of messages that survive a restart of the broker.
pub(crate) const PERSISTENT: u8 = 2;

/// An event ready to be published.
#[derive(Debug, Clone)]
pub struct Message {
    /// `<log>.<EventType>.v<schema_version>`.
    pub routing_key: ShortString,
    /// Properties and headers.
    pub properties: BasicProperties,
    /// The event's data.
    pub body: Json,
}

/// The message of an event of `log`.
///
/// # Errors
/// [`BrokerError::Unpublishable`] when a name is longer than AMQP allows.
pub fn encode(log: &str, recorded: &Recorded) -> Result<Message, BrokerError> {
    let short =
        |text: String| ShortString::try_new(text).map_err(|error| unpublishable(recorded.position, error.to_string()));
    let event = &recorded.event;
    let headers = headers(log, recorded).map_err(|reason| unpublishable(recorded.position, reason))?;
    let properties = BasicProperties::default()
        .with_message_id(short(recorded.id.to_string())?)
        .with_type(short(event.event_type.to_string())?)
        .with_content_type(CONTENT_TYPE.into())
        .with_timestamp(recorded.recorded_at.as_second().try_into().unwrap_or(0))
        .with_app_id(APP_ID.into())
        .with_delivery_mode(PERSISTENT)
        .with_headers(headers);
    Ok(Message {
        routing_key: short(format!("{log}.{}.v{}", event.event_type, event.schema_version))?,
        properties,
        body: event.data.clone(),
    })
}

fn headers(log: &str, recorded: &Recorded) -> Result<FieldTable, String> {
    let metadata = &recorded.metadata;
    let mut headers = FieldTable::default();
    headers.insert("log".into(), text(log));
    headers.insert("position".into(), number(recorded.position.get())?);
    headers.insert("previous_id".into(), text(recorded.previous_id.to_string()));
    headers.insert("stream".into(), text(recorded.stream.as_str()));
    headers.insert("version".into(), number(recorded.version.get())?);
    headers.insert("schema_version".into(), number(recorded.event.schema_version.into())?);
    headers.insert("recorded_at".into(), text(format!("{:.6}", recorded.recorded_at)));
    if let Some(correlation_id) = &metadata.correlation_id {
        headers.insert("correlation_id".into(), text(&**correlation_id));
    }
    if let Some(causation_id) = metadata.causation_id {
        headers.insert("causation_id".into(), text(causation_id.to_string()));
    }
    if let Some(traceparent) = &metadata.traceparent {
        headers.insert("traceparent".into(), text(&**traceparent));
    }
    let metadata = serde_json::to_string(metadata).map_err(|error| error.to_string())?;
    headers.insert("metadata".into(), text(metadata));
    Ok(headers)
}

fn unpublishable(position: Position, reason: String) -> BrokerError {
    BrokerError::Unpublishable {
        position: position.get(),
        reason,
    }
}

fn text(text: impl Into<String>) -> AMQPValue {
    AMQPValue::LongString(text.into().into())
}

/// AMQP has no unsigned 64-bit integers.
fn number(number: u64) -> Result<AMQPValue, String> {
    i64::try_from(number)
        .map(AMQPValue::LongLongInt)
        .map_err(|_| format!("{number} is beyond 63 bits"))
}

#[cfg(test)]
mod tests;
