//! What every feed must do.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::event::{Metadata, RawEvent, Recorded, to_json};
use crate::names::{Position, StreamName, Version};
use crate::subscription::{Connect, Delivery, Feed};

/// How long a delivery may take before the suite gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Judges a feed. `publish` puts events into it, in order; `connect` connects it.
///
/// # Panics
/// When the feed breaks the contract; the message says where.
pub async fn feed<C: Connect, P: AsyncFn(Arc<[Recorded]>)>(mut connect: C, publish: P) {
    let events = run(250);
    let mut feed = connect.connect().await.expect("it connects");
    publish(events[..100].into()).await;
    let first = take(&mut feed, 100).await;
    assert_eq!(
        first,
        &events[..100],
        "every event, in order, the very same as recorded"
    );
    // Nothing was settled yet by the last call alone: what next() returned last comes again.
    feed.settle(&[]).await.expect("it settles");
    publish(events[100..150].into()).await;
    let unsettled = next(&mut feed).await;
    assert_eq!(unsettled[0], events[100], "what was settled doesn't come again");
    drop(feed);
    let mut feed = connect.connect().await.expect("it connects again");
    let again = take(&mut feed, 50).await;
    assert_eq!(
        again,
        &events[100..150],
        "what wasn't settled is delivered again, in order"
    );
    // Dropping a waiting next() loses nothing.
    {
        let waiting = feed.next();
        futures::pin_mut!(waiting);
        assert!(futures::poll!(waiting.as_mut()).is_pending(), "nothing waits");
    }
    publish(events[150..].into()).await;
    assert_eq!(take(&mut feed, 100).await, &events[150..]);
}

async fn next<F: Feed>(feed: &mut F) -> Vec<Recorded> {
    let deliveries = tokio::time::timeout(PATIENCE, feed.next())
        .await
        .expect("a delivery in time")
        .expect("a delivery");
    assert!(!deliveries.is_empty(), "never an empty answer");
    deliveries
        .into_iter()
        .map(|Delivery { event }| event.expect("one of ours"))
        .collect()
}

/// Takes so many, settling in between.
async fn take<F: Feed>(feed: &mut F, count: usize) -> Vec<Recorded> {
    let mut taken = Vec::new();
    while taken.len() < count {
        taken.extend(next(feed).await);
        feed.settle(&[]).await.expect("it settles");
    }
    taken
}

/// A run of events as a log would have recorded them.
fn run(count: u64) -> Vec<Recorded> {
    let mut previous_id = Uuid::nil();
    (1..=count)
        .map(|number| {
            let id = Uuid::now_v7();
            let event = Recorded {
                position: Position::new(number),
                stream: StreamName::of("item", number % 7),
                version: Version::new(number.div_ceil(7)),
                id,
                previous_id,
                event: RawEvent {
                    event_type: "ItemCounted".into(),
                    schema_version: 1,
                    data: to_json(&serde_json::json!({"number": number, "text": "é\"\\"})).expect("plain data"),
                },
                metadata: Metadata {
                    correlation_id: Some(format!("c{number}").into()),
                    causation_id: number.is_multiple_of(2).then(Uuid::now_v7),
                    actor: None,
                    traceparent: None,
                },
                recorded_at: jiff::Timestamp::from_microsecond(
                    1_700_000_000_000_000 + i64::try_from(number).unwrap_or(0),
                )
                .expect("a time"),
            };
            previous_id = id;
            event
        })
        .collect()
}
