//! A subscriber's queue as a feed.

mod support;

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Instant;

use callboard::memory::MemoryLog;
use callboard::subscription::{BATCH_MAX_EVENTS, Connect, Delivery, Feed, Foreign};
use callboard::writer::Tap;
use callboard::{Position, Recorded, error_chain};
use callboard_rabbitmq::message::frame;
use callboard_rabbitmq::testing::{Proxy, Sandbox, amqp_url};
use callboard_rabbitmq::{QueueFeed, QueueFeeds, Recent};
use futures::FutureExt;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use support::{LOG, Outsider, SILENCE_NOTICED, append, hear, soon};

const NAME: &str = "products";

fn feeds(sandbox: &Sandbox) -> QueueFeeds {
    QueueFeeds::new(&sandbox.broker(), &sandbox.topology, LOG, NAME)
}

async fn next(feed: &mut QueueFeed) -> Vec<Delivery> {
    soon("a delivery", feed.next()).await.expect("the feed lives")
}

fn ours(deliveries: Vec<Delivery>) -> impl Iterator<Item = Recorded> {
    deliveries
        .into_iter()
        .map(|delivery| delivery.event.expect("one of ours"))
}

/// Takes so many events, settling in between.
async fn take(feed: &mut QueueFeed, count: usize) -> Vec<Recorded> {
    let mut taken = Vec::new();
    while taken.len() < count {
        taken.extend(ours(next(feed).await));
        feed.settle(&[]).await.expect("it settles");
    }
    taken
}

#[tokio::test]
async fn a_queue_passes_the_contract_of_feeds() {
    let sandbox = Sandbox::new(&[(LOG, NAME)]);
    let outsider = Outsider::new().await;
    callboard::contract::feed(feeds(&sandbox), async |events| {
        outsider.publish_frames(&sandbox, &events).await
    })
    .await;
}

#[tokio::test]
async fn events_own_messages_pass_the_contract_of_feeds_too() {
    let sandbox = Sandbox::new(&[(LOG, NAME)]);
    let outsider = Outsider::new().await;
    callboard::contract::feed(feeds(&sandbox), async |events| {
        outsider.publish_events(&sandbox.topology.frames(), &events).await
    })
    .await;
}

#[tokio::test]
async fn a_queue_beside_the_writer_passes_the_contract_of_feeds_too() {
    let (sandbox, recent) = (Sandbox::new(&[(LOG, NAME)]), Recent::new());
    let outsider = Outsider::new().await;
    callboard::contract::feed(feeds(&sandbox).beside(recent.clone()), async |events| {
        recent.recorded(&events);
        outsider.publish_frames(&sandbox, &events).await
    })
    .await;
}

#[tokio::test]
async fn what_the_writer_beside_a_feed_has_recorded_is_not_decoded() {
    let (sandbox, recent) = (Sandbox::new(&[(LOG, NAME)]), Recent::new());
    let (outsider, log) = (Outsider::new().await, MemoryLog::new());
    let mut feed = feeds(&sandbox).beside(recent.clone()).connect().await.unwrap();
    let events = append(&log, 6).await;
    recent.recorded(&events[..3].into());
    // A body that nobody reads may say anything.
    for (events, body) in [(&events[..3], "unread"), (&events[3..], "read")] {
        let frame = &frame::encode(LOG, events).expect("a frame can be made")[0];
        let queue = sandbox.topology.queue(LOG, NAME);
        outsider
            .publish("", &queue, frame.properties.clone(), body.as_bytes())
            .await;
    }
    let mut deliveries = Vec::new();
    while deliveries.len() < 4 {
        deliveries.extend(next(&mut feed).await);
    }
    let unread = deliveries.split_off(3).remove(0).event;
    assert_eq!(ours(deliveries).collect::<Vec<_>>(), &events[..3]);
    assert_eq!(unread.unwrap_err(), "its body is not a JSON array of our events");
}

#[tokio::test]
async fn a_delivered_message_is_the_very_event_of_the_log() {
    let sandbox = Sandbox::new(&[(LOG, NAME)]);
    let (outsider, log) = (Outsider::new().await, MemoryLog::new());
    let mut feed = feeds(&sandbox).connect().await.unwrap();
    let events = append(&log, 20).await;
    outsider.publish_frames(&sandbox, &events).await;
    assert_eq!(take(&mut feed, 20).await, &events[..]);
}

#[tokio::test]
async fn foreign_messages_go_to_the_dead_letters_and_hold_up_nothing() {
    let sandbox = Sandbox::new(&[(LOG, NAME)]);
    let (outsider, log) = (Outsider::new().await, MemoryLog::new());
    let mut feeds = feeds(&sandbox);
    let mut feed = feeds.connect().await.unwrap();
    let queue = sandbox.topology.queue(LOG, NAME);
    // More than are in flight at once, some with what would make a broker refuse or drop them.
    const FOREIGN: usize = 150;
    for number in 0..FOREIGN {
        let mut headers = FieldTable::default();
        headers.insert("number".into(), AMQPValue::LongLongInt(number as i64));
        let properties = match number % 3 {
            0 => BasicProperties::default(),
            1 => BasicProperties::default()
                .with_user_id("guest".into())
                .with_expiration("600000".into()),
            _ => BasicProperties::default()
                .with_headers(headers)
                .with_message_id("theirs".into()),
        };
        outsider.publish("", &queue, properties, b"not ours").await;
    }
    let events = append(&log, 3).await;
    outsider.publish_frames(&sandbox, &events).await;

    let (mut seen, mut ours) = (0, Vec::new());
    while ours.len() < 3 {
        let deliveries = next(&mut feed).await;
        let foreign: Vec<Foreign> = deliveries
            .iter()
            .enumerate()
            .filter_map(|(index, delivery)| {
                Some(Foreign {
                    index,
                    reason: delivery.event.clone().err()?,
                })
            })
            .collect();
        seen += foreign.len();
        feed.settle(&foreign).await.expect("it settles");
        ours.extend(deliveries.into_iter().filter_map(|delivery| delivery.event.ok()));
    }
    assert_eq!((seen, &ours[..]), (FOREIGN, &events[..]));
    drop(feed);

    let mut dead = outsider.consume(&sandbox.topology.dead()).await;
    for _ in 0..FOREIGN {
        let letter = hear(&mut dead).await;
        assert_eq!(letter.data, b"not ours");
        let headers = letter.properties.headers().as_ref().expect("headers").inner();
        assert_eq!(
            headers["reason"],
            AMQPValue::LongString("it has no property app_id".into())
        );
        assert_eq!(headers["subscriber"], AMQPValue::LongString(NAME.into()));
    }
    // They were acknowledged: what comes first now is what comes next.
    let mut feed = feeds.connect().await.unwrap();
    let events = append(&log, 1).await;
    outsider.publish_frames(&sandbox, &events).await;
    assert_eq!(
        next(&mut feed).await[0].event.as_ref().expect("ours").position,
        Position::new(4)
    );
}

#[tokio::test]
async fn a_queue_deleted_while_consumed_is_noticed_and_declared_again() {
    let sandbox = Sandbox::new(&[(LOG, NAME)]);
    let (outsider, log) = (Outsider::new().await, MemoryLog::new());
    let mut feeds = feeds(&sandbox);
    let mut feed = feeds.connect().await.unwrap();
    outsider.delete_queue(&sandbox.topology.queue(LOG, NAME)).await;
    let error = soon("the end of the deliveries", feed.next())
        .await
        .expect_err("the queue is gone");
    assert!(
        error_chain(&error).contains("cancelled the consumer"),
        "{}",
        error_chain(&error)
    );
    drop(feed);
    let mut feed = feeds.connect().await.unwrap();
    outsider.publish_frames(&sandbox, &append(&log, 1).await).await;
    assert_eq!(take(&mut feed, 1).await.len(), 1);
}

#[tokio::test]
async fn a_feed_returns_as_many_events_as_fit_into_one_transaction() {
    let sandbox = Sandbox::new(&[(LOG, NAME)]);
    let (outsider, log) = (Outsider::new().await, MemoryLog::new());
    let mut feed = feeds(&sandbox).connect().await.unwrap();
    let events = append(&log, 3_000).await;
    outsider.publish_frames(&sandbox, &events).await;
    let (mut taken, mut returned) = (Vec::new(), Vec::new());
    while taken.len() < events.len() {
        let deliveries = next(&mut feed).await;
        feed.settle(&[]).await.expect("it settles");
        returned.push(deliveries.len());
        taken.extend(ours(deliveries));
    }
    assert_eq!(taken, &events[..]);
    assert!(returned.iter().all(|count| *count <= BATCH_MAX_EVENTS), "{returned:?}");
}

#[tokio::test]
async fn a_wait_that_is_dropped_loses_nothing() {
    let sandbox = Sandbox::new(&[(LOG, NAME)]);
    let (outsider, log) = (Outsider::new().await, MemoryLog::new());
    let mut feed = feeds(&sandbox).connect().await.unwrap();
    let events = append(&log, 3_000).await;
    outsider.publish_frames(&sandbox, &events).await;
    let each_poll = async {
        let mut taken = Vec::new();
        while taken.len() < events.len() {
            // Dropped wherever it waits: for the broker, and between two messages.
            match feed.next().now_or_never() {
                Some(deliveries) => {
                    taken.extend(ours(deliveries.expect("the feed lives")));
                    feed.settle(&[]).await.expect("it settles");
                }
                None => tokio::task::yield_now().await,
            }
        }
        taken
    };
    assert_eq!(soon("every event", each_poll).await, &events[..]);
}

/// Waits for a delivery, but gives up where the wait has taken messages and goes on for more.
async fn next_unless_halfway(feed: &mut QueueFeed) -> Option<Vec<Delivery>> {
    let (mut next, mut polls) = (pin!(feed.next()), 0);
    let halfway = poll_fn(|cx| {
        polls += 1;
        match next.as_mut().poll(cx) {
            Poll::Ready(deliveries) => Poll::Ready(Some(deliveries.expect("the feed lives"))),
            // Woken, and not ready: so there was a message, and there is another one.
            Poll::Pending if polls > 1 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    });
    soon("a delivery", halfway).await
}

#[tokio::test]
async fn what_a_dropped_wait_has_taken_is_not_settled() {
    let sandbox = Sandbox::new(&[(LOG, NAME)]);
    let (outsider, log) = (Outsider::new().await, MemoryLog::new());
    let mut feeds = feeds(&sandbox);
    let mut feed = feeds.connect().await.unwrap();
    let (mut events, mut taken) = (Vec::new(), Vec::new());
    loop {
        if taken.len() == events.len() {
            let more = append(&log, 3_000).await;
            outsider.publish_frames(&sandbox, &more).await;
            events.extend_from_slice(&more);
        }
        let deliveries = next_unless_halfway(&mut feed).await;
        feed.settle(&[]).await.expect("it settles");
        match deliveries {
            Some(deliveries) => taken.extend(ours(deliveries)),
            None => break,
        }
    }
    drop(feed);
    let mut feed = feeds.connect().await.unwrap();
    let left = events.len() - taken.len();
    taken.extend(take(&mut feed, left).await);
    assert_eq!(taken, events);
}

#[tokio::test]
async fn one_replica_consumes_and_the_other_stands_by() {
    let sandbox = Sandbox::new(&[(LOG, NAME)]);
    let (outsider, log) = (Outsider::new().await, MemoryLog::new());
    let mut active = feeds(&sandbox).connect().await.unwrap();
    let mut standby = feeds(&sandbox).connect().await.unwrap();
    let events = append(&log, 30).await;
    outsider.publish_frames(&sandbox, &events[..10]).await;
    assert_eq!(take(&mut active, 10).await, &events[..10]);
    outsider.publish_frames(&sandbox, &events[10..20]).await;
    // Unsettled with the active one when it goes away: delivered to the other, in order.
    assert_eq!(
        next(&mut active).await[0].event.as_ref().expect("ours").position,
        Position::new(11)
    );
    drop(active);
    outsider.publish_frames(&sandbox, &events[20..]).await;
    assert_eq!(take(&mut standby, 20).await, &events[10..]);
}

#[tokio::test]
async fn a_connection_that_is_cut_is_noticed_and_leaves_nothing_behind() {
    let sandbox = Sandbox::new(&[(LOG, NAME)]);
    let (outsider, log) = (Outsider::new().await, MemoryLog::new());
    let proxy = Proxy::start(&amqp_url()).await;
    let mut feeds = QueueFeeds::new(&sandbox.broker_at(proxy.url()), &sandbox.topology, LOG, NAME);
    let mut feed = soon("a feed", feeds.connect()).await.unwrap();
    for _ in 0..20 {
        proxy.cut();
        soon("the loss of the feed", feed.next())
            .await
            .expect_err("the connection is cut");
        assert!(feed.settle(&[]).await.is_ok(), "there is nothing to settle");
        drop(feed);
        feed = soon("a new feed", feeds.connect()).await.unwrap();
    }
    let events = append(&log, 5).await;
    outsider.publish_frames(&sandbox, &events).await;
    assert_eq!(take(&mut feed, 5).await, &events[..]);
    assert_eq!(proxy.connections(), 1);
    // One of the feed and one of the outsider.
    support::until_connection_threads(2).await;
}

#[tokio::test]
async fn what_was_not_settled_before_a_cut_comes_again() {
    let sandbox = Sandbox::new(&[(LOG, NAME)]);
    let (outsider, log) = (Outsider::new().await, MemoryLog::new());
    let proxy = Proxy::start(&amqp_url()).await;
    let mut feeds = QueueFeeds::new(&sandbox.broker_at(proxy.url()), &sandbox.topology, LOG, NAME);
    let mut feed = feeds.connect().await.unwrap();
    let events = append(&log, 10).await;
    outsider.publish_frames(&sandbox, &events).await;
    next(&mut feed).await;
    proxy.cut();
    // Until the loss is known here, settling can't fail; it doesn't reach the broker either way.
    while soon("an end", feed.next()).await.is_ok() {}
    drop(feed);
    let mut feed = soon("a new feed", feeds.connect()).await.unwrap();
    assert_eq!(take(&mut feed, 10).await, &events[..]);
}

#[tokio::test]
async fn a_frozen_broker_is_noticed_within_heartbeats_and_costs_one_attempt() {
    let sandbox = Sandbox::new(&[(LOG, NAME)]);
    let proxy = Proxy::start(&amqp_url()).await;
    let broker = sandbox.broker_at(&proxy.url_with_heartbeats());
    let mut feeds = QueueFeeds::new(&broker, &sandbox.topology, LOG, NAME);
    let mut feed = feeds.connect().await.unwrap();
    proxy.freeze();
    let frozen = Instant::now();
    soon("the loss of the feed", feed.next())
        .await
        .expect_err("the broker is silent");
    assert!(
        frozen.elapsed() < SILENCE_NOTICED,
        "noticed after {:?}",
        frozen.elapsed()
    );
    drop(feed);
    let before = proxy.accepted();
    for _ in 0..2 {
        soon("a deadline", feeds.connect())
            .await
            .err()
            .expect("the broker is silent");
    }
    assert_eq!(proxy.accepted(), before + 1, "the attempt that hangs is the only one");
    proxy.thaw();
    // The attempt that hung may end in its own deadline first; whoever is refused tries again.
    let again = async { while feeds.connect().await.is_err() {} };
    soon("a feed", again).await;
}

#[tokio::test]
async fn two_deployments_on_one_broker_do_not_meet() {
    let (here, there) = (Sandbox::new(&[(LOG, NAME)]), Sandbox::new(&[(LOG, NAME)]));
    let outsider = Outsider::new().await;
    let mut feed_here = feeds(&here).connect().await.unwrap();
    let mut feed_there = feeds(&there).connect().await.unwrap();
    let (events_here, events_there) = (append(&MemoryLog::new(), 3).await, append(&MemoryLog::new(), 3).await);
    outsider.publish_frames(&here, &events_here).await;
    outsider.publish_frames(&there, &events_there).await;
    assert_eq!(take(&mut feed_there, 3).await, &events_there[..]);
    assert_eq!(take(&mut feed_here, 3).await, &events_here[..]);
}
