//! What a subscriber can't read goes to the dead letters, for a person to look at.

use callboard::subscription::Foreign;
use lapin::message::Delivery;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation};

use crate::broker::{Broker, within};
use crate::error::BrokerError;
use crate::message::PERSISTENT;
use crate::topology::{Topology, short};

/// How many dead letters are in flight at once.
const WINDOW: usize = 100;
/// The most bytes of original headers that are kept, so that headers and reason fit in one frame.
const HEADERS_MAX_BYTES: usize = 64 * 1024;
/// The longest reason, in characters.
const REASON_MAX: usize = 1_000;

/// The part that messages have in the dead letters: each once, with the first reason.
pub(crate) fn letters<'a>(foreign: &'a [Foreign], sources: &[usize]) -> Vec<(usize, &'a str)> {
    let mut letters: Vec<(usize, &str)> = Vec::new();
    for Foreign { index, reason } in foreign {
        let Some(message) = sources.get(*index) else { continue };
        if letters.iter().all(|(letter, _)| letter != message) {
            letters.push((*message, reason));
        }
    }
    letters
}

/// Publishes deliveries of a subscriber to the dead letters, each with its reason, all confirmed.
/// On a connection for publishing: one that consumes must never be blocked.
pub(crate) async fn publish(
    broker: &Broker,
    topology: &Topology,
    (log, subscriber): (&str, &str),
    letters: &[(&Delivery, &str)],
) -> Result<(), BrokerError> {
    let connection = broker.publishing().await?;
    let channel = connection.channel().await?;
    topology.declare_dead(&channel).await?;
    within(
        "asking for confirms",
        channel.confirm_select(ConfirmSelectOptions::default()),
    )
    .await?;
    let exchange = short(&topology.dead())?;
    let key = short(&format!("{log}.{subscriber}"))?;
    for letters in letters.chunks(WINDOW) {
        let mut confirms = Vec::with_capacity(letters.len());
        for (delivery, reason) in letters {
            let properties = properties(delivery, reason, subscriber);
            confirms.push(send(&channel, &exchange, &key, &delivery.data, properties).await?);
        }
        for confirm in confirms {
            taken(within("a dead letter's confirm", confirm).await?)?;
        }
    }
    within("closing a channel", channel.close(200, "OK".into())).await?;
    connection.keep();
    Ok(())
}

async fn send(
    channel: &Channel,
    exchange: &ShortString,
    key: &ShortString,
    body: &[u8],
    properties: BasicProperties,
) -> Result<lapin::PublisherConfirm, BrokerError> {
    let options = BasicPublishOptions {
        mandatory: true,
        ..Default::default()
    };
    let sent = channel.basic_publish(exchange.clone(), key.clone(), options, body, properties);
    within("publishing a dead letter", sent).await
}

/// Unlike an event, a dead letter that nobody has bound is lost: only a plain acknowledgement counts.
fn taken(confirmation: Confirmation) -> Result<(), BrokerError> {
    let reason = match confirmation {
        Confirmation::Ack(None) => return Ok(()),
        Confirmation::Ack(Some(_)) => "the dead letters' queue is not bound",
        Confirmation::Nack(_) => "negative confirm",
        Confirmation::NotRequested => "confirms are off",
    };
    Err(BrokerError::NotTaken {
        what: "a dead letter".into(),
        reason: reason.into(),
    })
}

/// What tells a reader what it was. Not copied: what would make the broker refuse it (`user_id`),
/// drop it (`expiration`) or send it elsewhere (`CC`, `BCC`).
fn properties(delivery: &Delivery, reason: &str, subscriber: &str) -> BasicProperties {
    let original = &delivery.properties;
    let mut headers = FieldTable::default();
    for (name, value) in original.headers().iter().flatten().filter(|_| keeps_headers(original)) {
        if !["CC", "BCC"].contains(&name.as_str()) {
            headers.insert(name.clone(), value.clone());
        }
    }
    let reason: String = reason.chars().take(REASON_MAX).collect();
    headers.insert("reason".into(), AMQPValue::LongString(reason.into()));
    headers.insert("subscriber".into(), AMQPValue::LongString(subscriber.into()));
    let mut properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_headers(headers);
    if let Some(message_id) = original.message_id() {
        properties = properties.with_message_id(message_id.clone());
    }
    if let Some(kind) = original.kind() {
        properties = properties.with_type(kind.clone());
    }
    if let Some(content_type) = original.content_type() {
        properties = properties.with_content_type(content_type.clone());
    }
    if let Some(content_encoding) = original.content_encoding() {
        properties = properties.with_content_encoding(content_encoding.clone());
    }
    if let Some(app_id) = original.app_id() {
        properties = properties.with_app_id(app_id.clone());
    }
    if let Some(timestamp) = original.timestamp() {
        properties = properties.with_timestamp(*timestamp);
    }
    properties
}

fn keeps_headers(properties: &BasicProperties) -> bool {
    properties
        .headers()
        .as_ref()
        .is_some_and(|headers| table_bytes(headers) <= HEADERS_MAX_BYTES)
}

/// About how many bytes a table takes in a frame.
fn table_bytes(table: &FieldTable) -> usize {
    table
        .into_iter()
        .map(|(name, value)| name.as_str().len() + value_bytes(value))
        .sum()
}

fn value_bytes(value: &AMQPValue) -> usize {
    const NUMBER: usize = 12;
    match value {
        AMQPValue::LongString(text) => NUMBER + text.len(),
        AMQPValue::ShortString(text) => NUMBER + text.as_str().len(),
        AMQPValue::ByteArray(bytes) => NUMBER + bytes.len(),
        AMQPValue::FieldArray(values) => NUMBER + values.as_slice().iter().map(value_bytes).sum::<usize>(),
        AMQPValue::FieldTable(table) => NUMBER + table_bytes(table),
        _ => NUMBER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_letter_however_many_of_its_events_are_foreign() {
        let foreign = |index: usize| Foreign {
            index,
            reason: format!("number {index}"),
        };
        // Three messages: one event, a frame of three, one event.
        let sources = [0, 1, 1, 1, 2];
        let foreign = [foreign(2), foreign(3), foreign(4)];
        assert_eq!(letters(&foreign, &sources), [(1, "number 2"), (2, "number 4")]);
    }

    fn delivery(properties: BasicProperties) -> Delivery {
        let mut delivery = Delivery::mock(1, "".into(), "".into(), false, b"?".to_vec());
        delivery.properties = properties;
        delivery
    }

    fn headers(text_bytes: usize) -> FieldTable {
        let mut headers = FieldTable::default();
        headers.insert("BCC".into(), AMQPValue::LongString("elsewhere".into()));
        headers.insert("theirs".into(), AMQPValue::LongString(vec![b'x'; text_bytes].into()));
        headers
    }

    #[test]
    fn a_dead_letter_is_what_it_was_without_what_would_harm_it() {
        let original = BasicProperties::default()
            .with_user_id("somebody".into())
            .with_expiration("1".into())
            .with_message_id("m".into())
            .with_headers(headers(10));
        let letter = properties(&delivery(original), "its body is not JSON", "products");
        assert_eq!((letter.user_id(), letter.expiration()), (&None, &None));
        assert_eq!(letter.message_id().as_ref().unwrap().as_str(), "m");
        let headers = letter.headers().as_ref().unwrap();
        assert!(!headers.contains_key("BCC") && headers.contains_key("theirs"));
        assert_eq!(
            headers.inner()["reason"],
            AMQPValue::LongString("its body is not JSON".into())
        );
        assert_eq!(headers.inner()["subscriber"], AMQPValue::LongString("products".into()));
    }

    #[test]
    fn headers_too_large_for_a_frame_are_left_behind() {
        let original = BasicProperties::default().with_headers(headers(100 * 1024));
        let letter = properties(&delivery(original), "why", "products");
        assert!(!letter.headers().as_ref().unwrap().contains_key("theirs"));
    }
}
