//! What every log must do.

use std::sync::Arc;

use uuid::Uuid;

use crate::event::{Metadata, Recorded, to_json};
use crate::log::{Append, AppendKey, Appended, IdempotencyKey, LockedLog, LogReader, LogStore, NewEvent};
use crate::names::{Checkpoint, Position, StreamName, Version};

/// Judges a log. `empty` makes a fresh one at each call.
///
/// # Panics
/// When the log breaks the contract; the message says where.
pub async fn log<S: LogStore, F: AsyncFn() -> S>(empty: F) {
    starts_empty(empty().await).await;
    numbers_events_without_a_gap(empty().await).await;
    compares_the_head(empty().await).await;
    repeats_are_recognised(empty().await).await;
    keeps_keys(empty().await).await;
    reads_streams(empty().await).await;
    keeps_everything_of_an_event(empty().await).await;
    refuses_a_taken_version(empty().await).await;
    locks(empty().await).await;
    many_appenders_leave_no_gap(empty().await).await;
}

fn stream(name: &str) -> StreamName {
    StreamName::parse(name).expect("a stream name")
}

pub(super) fn event(on: &str, version: u64) -> NewEvent {
    NewEvent {
        id: Uuid::now_v7(),
        stream: stream(on),
        version: Version::new(version),
        event_type: "Happened",
        schema_version: 1,
        data: to_json(&serde_json::json!({"what": on, "version": version})).expect("plain data"),
        metadata: Metadata::default(),
    }
}

pub(super) async fn done<S: LogStore>(log: &S, expected: Checkpoint, events: Vec<NewEvent>) -> Checkpoint {
    let append = Append {
        expected,
        events,
        keys: Vec::new(),
    };
    let appended = log.append(&append).await.expect("the append is possible");
    assert!(
        matches!(appended, Appended::Done { .. }),
        "expected Done, got {appended:?}"
    );
    log.head().await.expect("the head can be read")
}

async fn all<S: LogReader>(log: &S) -> Vec<Recorded> {
    log.read(Position::START, 100_000)
        .await
        .expect("the log can be read")
        .events
}

async fn starts_empty<S: LogStore>(log: S) {
    assert_eq!(log.head().await.expect("a head"), Checkpoint::START);
    let slice = log.read(Position::START, 10).await.expect("a slice");
    assert_eq!((slice.anchor, slice.events.len()), (Some(Uuid::nil()), 0));
    assert_eq!(
        log.read(Position::new(1), 10).await.expect("a slice").anchor,
        None,
        "nothing stands at 1"
    );
    let confirmed = log.append(&Append::default()).await.expect("an empty append");
    assert!(
        matches!(confirmed, Appended::Done { .. }),
        "an append without events confirms the head: {confirmed:?}"
    );
}

async fn numbers_events_without_a_gap<S: LogStore>(log: S) {
    let head = done(
        &log,
        Checkpoint::START,
        vec![event("a", 1), event("b", 1), event("a", 2)],
    )
    .await;
    let head = done(&log, head, vec![event("b", 2)]).await;
    assert_eq!(head.position, Position::new(4));
    let events = all(&log).await;
    assert_eq!(
        events.iter().map(|event| event.position.get()).collect::<Vec<_>>(),
        [1, 2, 3, 4]
    );
    assert_eq!(events[0].previous_id, Uuid::nil());
    assert!(
        events.windows(2).all(|pair| pair[1].previous_id == pair[0].id),
        "each names the one before it"
    );
    assert_eq!(head.event_id, events[3].id);
    let slice = log.read(Position::new(2), 1).await.expect("a slice");
    assert_eq!(slice.anchor, Some(events[1].id), "a read starts AT the position");
    assert_eq!(slice.events, events[2..3]);
    let slice = log.read(Position::new(4), 5).await.expect("a slice");
    assert_eq!((slice.anchor, slice.events.len()), (Some(events[3].id), 0));
}

async fn compares_the_head<S: LogStore>(log: S) {
    let head = done(&log, Checkpoint::START, vec![event("a", 1)]).await;
    for expected in [
        Checkpoint::START,
        Checkpoint {
            event_id: Uuid::now_v7(),
            ..head
        },
    ] {
        for events in [vec![event("a", 2)], Vec::new()] {
            let append = Append {
                expected,
                events,
                keys: Vec::new(),
            };
            match log.append(&append).await.expect("an answer") {
                Appended::HeadMoved(moved) => assert_eq!(moved, head),
                other => panic!("{expected:?} isn't the head, yet: {other:?}"),
            }
        }
    }
    assert_eq!(all(&log).await.len(), 1, "nothing was recorded");
}

async fn repeats_are_recognised<S: LogStore>(log: S) {
    let append = Append {
        expected: Checkpoint::START,
        events: vec![event("a", 1), event("a", 2)],
        keys: vec![key("k", true)],
    };
    let first = log.append(&append).await.expect("an answer");
    let Appended::Done { recorded_at } = first else {
        panic!("{first:?}")
    };
    let head = log.head().await.expect("a head");
    done(&log, head, vec![event("b", 1)]).await;
    match log.append(&append).await.expect("an answer") {
        Appended::Done { recorded_at: again } => assert_eq!(again, recorded_at),
        other => panic!("the very same append was recorded before: {other:?}"),
    }
    assert_eq!(all(&log).await.len(), 3, "a repeat records nothing");
}

fn key(name: &str, store: bool) -> AppendKey {
    AppendKey {
        key: IdempotencyKey {
            scope: "client:-".into(),
            key: name.into(),
        },
        fingerprint: [7; 32],
        receipt: store.then(|| to_json(&serde_json::json!({"position": 1, "of": name})).expect("plain data")),
    }
}

async fn keeps_keys<S: LogStore>(log: S) {
    let first = Append {
        expected: Checkpoint::START,
        events: vec![event("a", 1)],
        keys: vec![key("k1", true), key("k2", false)],
    };
    let appended = log.append(&first).await.expect("an answer");
    assert!(
        matches!(appended, Appended::Done { .. }),
        "unknown keys are no obstacle: {appended:?}"
    );
    let head = log.head().await.expect("a head");
    let again = Append {
        expected: head,
        events: vec![event("a", 2)],
        keys: vec![key("k2", true), key("k1", false)],
    };
    match log.append(&again).await.expect("an answer") {
        Appended::KnownKeys(known) => {
            assert_eq!(known.len(), 1, "a key that was only looked up isn't stored");
            assert_eq!((known[0].index, known[0].fingerprint), (1, [7; 32]));
            let receipt: serde_json::Value = serde_json::from_str(known[0].receipt.get()).expect("the receipt");
            assert_eq!(receipt, serde_json::json!({"position": 1, "of": "k1"}));
        }
        other => panic!("k1 is known: {other:?}"),
    }
    assert_eq!(all(&log).await.len(), 1, "known keys record nothing");
    let other_scope = AppendKey {
        key: IdempotencyKey {
            scope: "pm:x".into(),
            key: "k1".into(),
        },
        ..key("k1", true)
    };
    let keys_alone = Append {
        expected: head,
        events: Vec::new(),
        keys: vec![other_scope],
    };
    let appended = log.append(&keys_alone).await.expect("an answer");
    assert!(
        matches!(appended, Appended::Done { .. }),
        "scopes are apart: {appended:?}"
    );
    let appended = log.append(&keys_alone).await.expect("an answer");
    assert!(
        matches!(appended, Appended::KnownKeys(_)),
        "a key alone is stored too: {appended:?}"
    );
}

async fn reads_streams<S: LogStore>(log: S) {
    let events = vec![
        event("b", 1),
        event("a", 1),
        event("b", 2),
        event("c", 1),
        event("a", 2),
        event("b", 3),
    ];
    done(&log, Checkpoint::START, events).await;
    let places = async |wanted: &[(&str, u64)], up_to: u64, limit: usize| {
        let wanted: Vec<_> = wanted
            .iter()
            .map(|(name, after)| (stream(name), Version::new(*after)))
            .collect();
        let events = log
            .read_streams(&wanted, Position::new(up_to), limit)
            .await
            .expect("a read")
            .events;
        events
            .iter()
            .map(|event| (event.stream.to_string(), event.version.get()))
            .collect::<Vec<_>>()
    };
    let named = |places: &[(&str, u64)]| {
        places
            .iter()
            .map(|(name, version)| ((*name).to_owned(), *version))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        places(&[("b", 0), ("a", 0)], 6, 10).await,
        named(&[("a", 1), ("a", 2), ("b", 1), ("b", 2), ("b", 3)])
    );
    assert_eq!(
        places(&[("b", 1), ("a", 0), ("none", 0)], 4, 10).await,
        named(&[("a", 1), ("b", 2)])
    );
    assert_eq!(
        places(&[("b", 0), ("a", 0)], 6, 3).await,
        named(&[("a", 1), ("a", 2), ("b", 1)])
    );
    assert_eq!(places(&[], 6, 3).await, named(&[]));
}

async fn keeps_everything_of_an_event<S: LogStore>(log: S) {
    let text = r#"{"z":1,"a":"é \"quoted\" \n","n":12345678901234567890.10,"deep":{"list":[1,2.50,null,true]}}"#;
    let new = NewEvent {
        data: Arc::from(serde_json::value::RawValue::from_string(text.into()).expect("JSON")),
        schema_version: 7,
        metadata: Metadata {
            correlation_id: Some("correlation".into()),
            causation_id: Some(Uuid::now_v7()),
            actor: Some("actor@example".into()),
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        },
        ..event("a", 1)
    };
    let append = Append {
        expected: Checkpoint::START,
        events: vec![new.clone()],
        keys: Vec::new(),
    };
    let Appended::Done { recorded_at } = log.append(&append).await.expect("an answer") else {
        panic!("it is the head")
    };
    let events = all(&log).await;
    assert_eq!(events[0].event.data.get(), text, "the text is kept as it is");
    assert_eq!(events[0].recorded_at, recorded_at, "to the microsecond");
    assert_eq!((events[0].id, &events[0].metadata), (new.id, &new.metadata));
    assert_eq!(
        (&*events[0].event.event_type, events[0].event.schema_version),
        ("Happened", 7)
    );
}

async fn refuses_a_taken_version<S: LogStore>(log: S) {
    let head = done(&log, Checkpoint::START, vec![event("a", 1)]).await;
    let append = Append {
        expected: head,
        events: vec![event("b", 1), event("a", 1)],
        keys: Vec::new(),
    };
    let refused = log.append(&append).await;
    assert!(
        matches!(refused, Err(crate::log::AppendError::Rejected(_))),
        "version 1 is taken: {refused:?}"
    );
    assert_eq!(all(&log).await.len(), 1, "all or nothing");
}

async fn locks<S: LogStore>(log: S) {
    let mut locked = log.lock().await.expect("the lock");
    assert_eq!(
        locked.read(Position::START, 10).await.expect("a slice").anchor,
        Some(Uuid::nil())
    );
    let append = Append {
        expected: Checkpoint::START,
        events: vec![event("a", 1)],
        keys: Vec::new(),
    };
    let appended = locked.append(&append).await.expect("an answer");
    assert!(matches!(appended, Appended::Done { .. }), "{appended:?}");
    let head = log.head().await.expect("a head");
    assert_eq!(head.position, Position::new(1));
    // A lock that was dropped holds nobody up and has done nothing.
    drop(log.lock().await.expect("the lock"));
    assert_eq!(done(&log, head, vec![event("a", 2)]).await.position, Position::new(2));
}

async fn many_appenders_leave_no_gap<S: LogStore>(log: S) {
    const APPENDERS: usize = 4;
    const EACH: u64 = 10;
    let appenders = (0..APPENDERS).map(|number| {
        let log = log.clone();
        async move {
            let mut recorded = 0;
            while recorded < EACH {
                let expected = log.head().await.expect("a head");
                let events = vec![event(&format!("s{number}"), recorded + 1)];
                let append = Append {
                    expected,
                    events,
                    keys: Vec::new(),
                };
                if let Appended::Done { .. } = log.append(&append).await.expect("an answer") {
                    recorded += 1;
                }
            }
        }
    });
    futures::future::join_all(appenders).await;
    let events = all(&log).await;
    assert_eq!(events.len() as u64, APPENDERS as u64 * EACH);
    assert!(
        events
            .iter()
            .zip(1..)
            .all(|(event, position)| event.position.get() == position),
        "gapless"
    );
    assert!(
        events.windows(2).all(|pair| pair[1].previous_id == pair[0].id),
        "one timeline"
    );
}
