//! Frames: what they hold, how large they get, and what is none.

use super::*;
use crate::message::frame::{self, FRAME_MAX_BYTES, FRAME_TYPE};

/// The same events, in one log from this position on.
fn linked(first: u64, mut events: Vec<Recorded>) -> Vec<Recorded> {
    for index in 1..events.len() {
        events[index].previous_id = events[index - 1].id;
    }
    for (event, position) in events.iter_mut().zip(first..) {
        event.position = Position::new(position);
    }
    events
}

fn run(most: usize) -> impl Strategy<Value = Vec<Recorded>> {
    (1..1_u64 << 62, proptest::collection::vec(recorded(), 1..=most)).prop_map(|(first, events)| linked(first, events))
}

/// Events of the log `warehouse` with so many bytes of data each.
fn sized(sizes: &[usize]) -> Vec<Recorded> {
    let event = |(number, size): (usize, &usize)| {
        let mut event = example();
        event.id = Uuid::from_u128(100 + number as u128);
        event.event.data = RawValue::from_string(format!("\"{}\"", "x".repeat(size - 2)))
            .unwrap()
            .into();
        event
    };
    linked(1, sizes.iter().enumerate().map(event).collect())
}

fn lengths(events: &[Recorded]) -> Vec<u64> {
    let frames = frame::encode("warehouse", events).unwrap();
    frames.iter().map(Frame::events).collect()
}

fn decoded(frame: &Frame) -> Result<Vec<Recorded>, String> {
    frame::decode("warehouse", &frame.properties, &frame.body)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn frames_decode_to_the_very_events_that_were_encoded(events in run(12)) {
        let frames = frame::encode("warehouse", &events).unwrap();
        let mut heard = Vec::new();
        for frame in &frames {
            let inside = decoded(frame).unwrap();
            prop_assert_eq!((frame.first, frame.last), (inside[0].position, inside[inside.len() - 1].position));
            prop_assert!(frame.body.len() <= FRAME_MAX_BYTES || inside.len() == 1);
            heard.extend(inside);
        }
        prop_assert_eq!(&heard, &events);
        for (heard, event) in heard.iter().zip(&events) {
            prop_assert_eq!(heard.event.data.get(), event.event.data.get());
        }
    }

    #[test]
    fn a_frame_survives_any_body_and_any_header(
        events in run(3), cut in any::<proptest::sample::Index>(), byte in any::<u8>(),
        header in 0..5_usize, value in proptest::option::of(value()),
    ) {
        let frame = frame::encode("warehouse", &events).unwrap().remove(0);
        let mut body = frame.body.clone();
        let at = cut.index(body.len());
        body[at] = byte;
        // Whatever it still is, it is whole.
        if let Ok(events) = frame::decode("warehouse", &frame.properties, &body) {
            prop_assert_eq!(events.len() as u64, frame.events());
        }
        prop_assert!(frame::decode("warehouse", &frame.properties, &frame.body[..at]).is_err());
        let name = ["log", "first_position", "last_position", "count", "previous_id"][header];
        let properties = with_header(&frame.properties, name, value.clone());
        let read = frame::decode("warehouse", &properties, &frame.body);
        if !matches!(value, Some(AMQPValue::LongLongInt(_) | AMQPValue::ShortShortInt(_))) {
            prop_assert!(read.is_err());
        }
    }
}

#[test]
fn a_frame_is_full_at_64_kib_and_a_larger_event_is_alone() {
    assert_eq!(lengths(&[]), [0; 0]);
    assert_eq!(lengths(&sized(&[2; 1])), [1]);
    let small = frame::encode("warehouse", &sized(&[2; 600])).unwrap();
    let full = |frame: &Frame| (FRAME_MAX_BYTES - 1_000..=FRAME_MAX_BYTES).contains(&frame.body.len());
    assert!(small.len() > 2 && small[..small.len() - 1].iter().all(full));
    assert_eq!(small.iter().map(Frame::events).sum::<u64>(), 600);
    assert_eq!(lengths(&sized(&[20_000; 7])), [3, 3, 1]);
    assert_eq!(lengths(&sized(&[40_000; 3])), [1, 1, 1]);
    let largest = callboard::EVENT_MAX_BYTES;
    assert_eq!(lengths(&sized(&[2, 2, largest, 2])), [2, 1, 1]);
    let frames = frame::encode("warehouse", &sized(&[2, largest, 2])).unwrap();
    assert_eq!(decoded(&frames[1]).unwrap().len(), 1, "the largest event can be read");
}

#[test]
fn a_frame_shows_what_it_holds_and_its_body_is_what_the_event_feed_answers() {
    let events = sized(&[20, 30, 40]);
    let frame = frame::encode("warehouse", &events).unwrap().remove(0);
    let properties = &frame.properties;
    assert_eq!(frame.routing_key.as_str(), "warehouse.frame.v1");
    assert_eq!(properties.kind().as_ref().unwrap().as_str(), FRAME_TYPE);
    assert_ours(properties, events[2].id);
    assert_eq!(
        header_names(properties),
        ["count", "first_position", "last_position", "log", "previous_id"]
    );
    let headers = properties.headers().as_ref().unwrap().inner();
    assert_eq!(headers["log"], text("warehouse"));
    assert_eq!(headers["first_position"], AMQPValue::LongLongInt(1));
    assert_eq!(headers["last_position"], AMQPValue::LongLongInt(3));
    assert_eq!(headers["count"], AMQPValue::LongLongInt(3));
    assert_eq!(headers["previous_id"], text(events[0].previous_id.to_string()));
    let feed: Vec<_> = events.iter().map(|event| event.to_public("warehouse")).collect();
    assert_eq!(
        String::from_utf8(frame.body).unwrap(),
        serde_json::to_string(&feed).unwrap()
    );
}

#[test]
fn either_kind_of_message_is_read() {
    let events = sized(&[20, 30]);
    let frame = frame::encode("warehouse", &events).unwrap().remove(0);
    assert_eq!(decode_all("warehouse", &frame.properties, &frame.body).unwrap(), events);
    let message = encode("warehouse", &events[1]).unwrap();
    let body = message.body.get().as_bytes();
    assert_eq!(
        decode_all("warehouse", &message.properties, body).unwrap(),
        &events[1..]
    );
}

#[test]
fn a_frame_that_is_not_consistent_is_not_ours() {
    let events = sized(&[20, 30, 40]);
    let whole = frame::encode("warehouse", &events).unwrap().remove(0);
    let with = |name: &str, value: AMQPValue| {
        let properties = with_header(&whole.properties, name, Some(value));
        frame::decode("warehouse", &properties, &whole.body).unwrap_err()
    };
    assert_eq!(with("log", text("finance")), "its header log is not warehouse");
    assert_eq!(
        with("count", AMQPValue::LongLongInt(2)),
        "its header count is 2, and it holds 3 events"
    );
    assert_eq!(
        with("first_position", AMQPValue::LongLongInt(2)),
        "its positions are not consecutive at 1"
    );
    let end = "it does not end at position 4 with the event of its message_id";
    assert_eq!(with("last_position", AMQPValue::LongLongInt(4)), end);
    let other = text(Uuid::from_u128(9).to_string());
    assert_eq!(
        with("previous_id", other),
        "its event at position 1 names another one before it"
    );
    let elsewhere = whole
        .properties
        .clone()
        .with_message_id(events[0].id.to_string().as_str().into());
    let end = "it does not end at position 3 with the event of its message_id";
    assert_eq!(frame::decode("warehouse", &elsewhere, &whole.body).unwrap_err(), end);

    let of = |events: &[Recorded]| decoded(&frame::encode("warehouse", events).unwrap()[0]).unwrap_err();
    let mut torn = events.clone();
    torn[1].previous_id = Uuid::from_u128(9);
    assert_eq!(of(&torn), "its event at position 2 names another one before it");
    let mut apart = events.clone();
    apart[2].position = Position::new(7);
    assert_eq!(of(&apart), "its positions are not consecutive at 7");
    let mut nowhere = events.clone();
    nowhere[0].position = Position::START;
    assert_eq!(of(&nowhere[..1]), "positions and versions are from 1");

    let body = |body: &[u8]| frame::decode("warehouse", &whole.properties, body).unwrap_err();
    assert_eq!(body(b"{}"), "its body is not a JSON array of our events");
    assert_eq!(body(b"[]"), "its header count is 3, and it holds 0 events");
    assert_eq!(body(&vec![b' '; 1024 * 1024]), "its body has more than 327680 bytes");
    let theirs = String::from_utf8(whole.body.clone())
        .unwrap()
        .replacen("warehouse", "finance", 1);
    assert_eq!(
        body(theirs.as_bytes()),
        "its event at position 1 is not of the log warehouse"
    );
}
