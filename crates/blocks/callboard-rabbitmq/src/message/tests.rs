use callboard::{Metadata, Position, RawEvent, StreamName, Version};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::*;

mod frames;

fn visible(max: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(0x21_u8..0x7f, 1..=max)
        .prop_map(|bytes| String::from_utf8(bytes).expect("visible ASCII is UTF-8"))
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just("null".to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>()
            .prop_filter("JSON has no such number", |n| n.is_finite())
            .prop_map(|n| format!("{n:e}")),
        any::<String>().prop_map(|text| serde_json::to_string(&text).expect("text has a JSON form")),
    ];
    // Blanks and doubled keys as somebody may have written them: bytes must not change.
    let value = leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[ {} ]", items.join(" ,"))),
            inner.prop_map(|value| format!("{{\"a\" :{value},\"a\":1}}")),
        ]
    });
    value.prop_map(|text| RawValue::from_string(text).expect("it was written as JSON").into())
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let text = || proptest::option::of(visible(255).prop_map(|text| text.as_str().into()));
    (text(), proptest::option::of(any::<u128>()), text(), text()).prop_map(
        |(correlation_id, causation_id, actor, traceparent)| Metadata {
            correlation_id,
            causation_id: causation_id.map(Uuid::from_u128),
            actor,
            traceparent,
        },
    )
}

fn recorded() -> impl Strategy<Value = Recorded> {
    let place = (
        1..=i64::MAX as u64,
        1..=i64::MAX as u64,
        visible(200),
        any::<u128>(),
        any::<u128>(),
    );
    let event = (visible(100), any::<u32>(), json());
    // Microseconds of the years 0 to 9999.
    let time = -62_167_219_200_000_000_i64..253_402_300_799_000_000;
    (place, event, metadata(), time).prop_map(
        |((position, version, stream, id, previous_id), event, metadata, time)| Recorded {
            position: Position::new(position),
            stream: StreamName::parse(&stream).expect("it is visible ASCII"),
            version: Version::new(version),
            id: Uuid::from_u128(id),
            previous_id: Uuid::from_u128(previous_id),
            event: RawEvent {
                event_type: event.0.as_str().into(),
                schema_version: event.1,
                data: event.2,
            },
            metadata,
            recorded_at: Timestamp::from_microsecond(time).expect("it is within jiff's range"),
        },
    )
}

fn value() -> impl Strategy<Value = AMQPValue> {
    prop_oneof![
        any::<bool>().prop_map(AMQPValue::Boolean),
        any::<i64>().prop_map(AMQPValue::LongLongInt),
        any::<i8>().prop_map(AMQPValue::ShortShortInt),
        any::<f64>().prop_map(AMQPValue::Double),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| AMQPValue::LongString(bytes.into())),
        Just(AMQPValue::FieldTable(FieldTable::default())),
        Just(AMQPValue::Void),
    ]
}

const HEADERS: [&str; 8] = [
    "log",
    "position",
    "previous_id",
    "stream",
    "version",
    "schema_version",
    "recorded_at",
    "metadata",
];

/// Like [`BasicProperties`], with one header replaced or removed.
fn with_header(properties: &BasicProperties, name: &str, value: Option<AMQPValue>) -> BasicProperties {
    let mut headers = properties
        .headers()
        .as_ref()
        .expect("ours have headers")
        .inner()
        .clone();
    headers.remove(name);
    headers.extend(value.map(|value| (ShortString::from(name), value)));
    properties.clone().with_headers(headers.into())
}

proptest! {
    #[test]
    fn a_message_decodes_to_the_very_event_that_was_encoded(recorded in recorded()) {
        let message = encode("warehouse", &recorded).unwrap();
        let decoded = decode("warehouse", &message.properties, message.body.get().as_bytes()).unwrap();
        prop_assert_eq!(&decoded, &recorded);
        prop_assert_eq!(decoded.event.data.get(), recorded.event.data.get());
    }

    #[test]
    fn a_message_survives_any_header_that_it_should_not_have(
        recorded in recorded(), index in 0..HEADERS.len(), value in proptest::option::of(value()),
    ) {
        let message = encode("warehouse", &recorded).unwrap();
        let properties = with_header(&message.properties, HEADERS[index], value.clone());
        let decoded = decode("warehouse", &properties, message.body.get().as_bytes());
        // Numbers may by chance be fine ones, and so may any text be for a stream.
        let may_be_fine = match &value {
            Some(AMQPValue::LongLongInt(_) | AMQPValue::ShortShortInt(_)) => true,
            Some(AMQPValue::LongString(_)) => matches!(HEADERS[index], "stream" | "metadata"),
            _ => false,
        };
        if !may_be_fine {
            prop_assert!(decoded.is_err());
        }
    }

    #[test]
    fn any_body_is_an_event_or_has_a_reason(recorded in recorded(), body in proptest::collection::vec(any::<u8>(), 0..64)) {
        let message = encode("warehouse", &recorded).unwrap();
        let json = serde_json::from_slice::<serde_json::Value>(&body).is_ok();
        let decoded = decode("warehouse", &message.properties, &body);
        // Not the other way round: a number that no float holds is JSON all the same.
        prop_assert!(decoded.is_ok() || !json);
    }

    #[test]
    fn any_text_in_a_property_is_taken_or_has_a_reason(recorded in recorded(), text in "\\PC{0,60}") {
        let message = encode("warehouse", &recorded).unwrap();
        let text = ShortString::try_new(text).unwrap_or_default();
        for properties in [
            message.properties.clone().with_message_id(text.clone()),
            message.properties.clone().with_type(text.clone()),
            message.properties.clone().with_app_id(text.clone()),
        ] {
            let _ = decode("warehouse", &properties, message.body.get().as_bytes());
        }
    }
}

fn example() -> Recorded {
    Recorded {
        position: Position::new(17),
        stream: StreamName::of("product", "abc123"),
        version: Version::new(3),
        id: Uuid::from_u128(7),
        previous_id: Uuid::from_u128(6),
        event: RawEvent {
            event_type: "ProductQuantityShipped".into(),
            schema_version: 1,
            data: RawValue::from_string(r#"{"quantity":50}"#.into()).unwrap().into(),
        },
        metadata: Metadata {
            correlation_id: Some("c-1".into()),
            actor: Some("ann".into()),
            ..Default::default()
        },
        recorded_at: "2026-11-22T10:00:00.120000Z".parse().unwrap(),
    }
}

/// What every message of ours has, when it was made of the example.
#[track_caller]
fn assert_ours(properties: &BasicProperties, id: Uuid) {
    assert_eq!(properties.message_id().as_ref().unwrap().as_str(), id.to_string());
    assert_eq!(properties.content_type().as_ref().unwrap().as_str(), "application/json");
    assert_eq!(properties.app_id().as_ref().unwrap().as_str(), "callboard");
    assert_eq!(*properties.delivery_mode(), Some(2));
    assert_eq!(*properties.timestamp(), Some(1_795_341_600));
}

fn header_names(properties: &BasicProperties) -> Vec<&str> {
    let headers = properties.headers().as_ref().unwrap().inner();
    headers.keys().map(|name| name.as_str()).collect()
}

#[test]
fn a_message_looks_as_the_contract_says() {
    let message = encode("warehouse", &example()).unwrap();
    let properties = &message.properties;
    assert_eq!(message.routing_key.as_str(), "warehouse.ProductQuantityShipped.v1");
    assert_eq!(message.body.get(), r#"{"quantity":50}"#);
    assert_ours(properties, Uuid::from_u128(7));
    assert_eq!(properties.kind().as_ref().unwrap().as_str(), "ProductQuantityShipped");
    assert_eq!(
        header_names(properties),
        [
            "correlation_id",
            "log",
            "metadata",
            "position",
            "previous_id",
            "recorded_at",
            "schema_version",
            "stream",
            "version"
        ]
    );
    let headers = properties.headers().as_ref().unwrap().inner();
    assert_eq!(headers["position"], AMQPValue::LongLongInt(17));
    assert_eq!(headers["recorded_at"], text("2026-11-22T10:00:00.120000Z"));
    assert_eq!(
        headers["metadata"],
        text(r#"{"correlation_id":"c-1","causation_id":null,"actor":"ann","traceparent":null}"#)
    );
}

#[test]
fn what_is_not_ours_has_a_reason_that_says_why() {
    let message = encode("warehouse", &example()).unwrap();
    let ours = &message.properties;
    let body = message.body.get().as_bytes();
    let reason = |properties: &BasicProperties, body: &[u8]| decode("warehouse", properties, body).unwrap_err();
    assert_eq!(reason(&BasicProperties::default(), body), "it has no property app_id");
    assert_eq!(
        reason(&ours.clone().with_app_id("other".into()), body),
        "its app_id is not callboard"
    );
    assert_eq!(reason(ours, b"{"), "its body is not JSON");
    assert_eq!(reason(ours, b"\xff\"a\""), "its body is not JSON");
    assert_eq!(
        reason(&with_header(ours, "log", Some(text("finance"))), body),
        "its header log is not warehouse"
    );
    assert_eq!(
        reason(&with_header(ours, "position", None), body),
        "it has no header position"
    );
    assert_eq!(
        reason(&with_header(ours, "position", Some(AMQPValue::LongLongInt(-1))), body),
        "its header position is no number from 0"
    );
    assert_eq!(
        reason(&with_header(ours, "version", Some(AMQPValue::LongLongInt(0))), body),
        "positions and versions are from 1"
    );
    assert_eq!(
        reason(&with_header(ours, "metadata", Some(text("[]"))), body),
        "its header metadata is not our metadata in JSON"
    );
}
