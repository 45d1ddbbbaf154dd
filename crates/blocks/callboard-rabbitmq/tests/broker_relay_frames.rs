//! What the relay makes of events that wait: frames for our own subscribers, and a message for each
//! event for anybody.

mod support;

use std::time::Duration;

use callboard::Position;
use callboard::memory::MemoryLog;
use callboard::writer::Tap;
use callboard_rabbitmq::RelayConfig;
use callboard_rabbitmq::message::frame::FRAME_MAX_EVENTS;
use callboard_rabbitmq::testing::Sandbox;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use support::running::Running;
use support::{LOG, MemoryRelayStore, Outsider, append, append_large, hear, hear_frames_up_to, hear_up_to, until};

fn without_event_messages() -> RelayConfig {
    RelayConfig {
        event_messages: false,
        ..RelayConfig::default()
    }
}

#[tokio::test]
async fn events_that_wait_go_together_and_none_waits_for_company() {
    let sandbox = Sandbox::new(&[]);
    let (log, store) = (MemoryLog::new(), MemoryRelayStore::default());
    let mut heard = Outsider::new().await.listen_to_frames(&sandbox).await;
    let waiting = append(&log, 5_000).await;
    let relay = Running::start(&sandbox, &log, &store);
    relay.published(5_000).await;
    let frames = hear_frames_up_to(&mut heard, Position::new(5_000)).await;
    assert_eq!(frames.concat(), &waiting[..]);
    let status = relay.handle.status().borrow().clone();
    assert_eq!((status.frames, status.publishes), (frames.len() as u64, 5_000));
    // Cut to what has just been confirmed, there would be thousands.
    assert!(frames.len() < 100, "{} frames", frames.len());
    let most = frames.iter().map(Vec::len).max();
    assert!(most.is_some_and(|most| most <= FRAME_MAX_EVENTS), "{most:?}");

    for position in 5_001..=5_005 {
        let lone = append(&log, 1).await;
        relay.handle.recorded(&lone);
        assert_eq!(
            hear_frames_up_to(&mut heard, Position::new(position)).await,
            [&lone[..]]
        );
    }
    relay.stop().await;
}

enum Size {
    Small,
    /// Larger than a frame.
    Large,
}

const NEVER: Duration = Duration::from_secs(3_600);

/// Publishes so many events, and others right behind them, each told of by itself; the frames in which they go.
async fn frames_of(first: u64, config: RelayConfig, behind: &[Size]) -> Vec<usize> {
    let sandbox = Sandbox::new(&[]);
    let (log, store) = (MemoryLog::new(), MemoryRelayStore::default());
    let mut heard = Outsider::new().await.listen_to_frames(&sandbox).await;
    let config = RelayConfig {
        // It doesn't get on because it looks.
        look_every: NEVER,
        ..config
    };
    let mut events = append(&log, first).await.to_vec();
    let relay = Running::start_with(&sandbox, &log, &store, config);
    relay.published(first).await;
    for size in behind {
        let fresh = match size {
            Size::Small => append(&log, 1).await,
            Size::Large => append_large(&log).await,
        };
        relay.handle.recorded(&fresh);
        events.extend(fresh.iter().cloned());
        // The relay has its turn, so that whatever may go goes.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
    let up_to = events.len() as u64;
    relay.published(up_to).await;
    let frames = hear_frames_up_to(&mut heard, Position::new(up_to)).await;
    assert_eq!(frames.concat(), events);
    relay.stop().await;
    frames.iter().map(Vec::len).collect()
}

#[tokio::test]
async fn events_right_behind_a_frame_go_together_as_soon_as_they_fill_one() {
    let config = RelayConfig {
        frames_apart: NEVER,
        ..RelayConfig::default()
    };
    let frames = frames_of(1, config, &[Size::Small, Size::Small, Size::Large]).await;
    assert_eq!(frames, [1, 2, 1], "the large one fills a frame of its own");
}

#[tokio::test]
async fn an_event_right_behind_a_frame_goes_when_the_time_between_frames_is_over() {
    let config = RelayConfig {
        frames_apart: Duration::from_millis(50),
        busy_frames_apart: NEVER,
        ..RelayConfig::default()
    };
    assert_eq!(frames_of(1, config, &[Size::Small]).await, [1, 1]);
}

#[tokio::test]
async fn behind_a_frame_of_many_events_another_time_counts() {
    let config = RelayConfig {
        frames_apart: NEVER,
        busy_frames_apart: Duration::from_millis(50),
        ..RelayConfig::default()
    };
    assert_eq!(frames_of(8, config, &[Size::Small]).await, [8, 1]);
}

#[tokio::test]
async fn with_the_setting_off_nobody_gets_a_message_for_each_event() {
    let sandbox = Sandbox::new(&[]);
    let (log, store) = (MemoryLog::new(), MemoryRelayStore::default());
    let outsider = Outsider::new().await;
    let (mut frames, mut events) = (
        outsider.listen_to_frames(&sandbox).await,
        outsider.listen(&sandbox).await,
    );
    let waiting = append(&log, 3_000).await;
    let relay = Running::start_with(&sandbox, &log, &store, without_event_messages());
    relay.published(3_000).await;
    let heard = hear_frames_up_to(&mut frames, Position::new(3_000)).await;
    assert_eq!(heard.concat(), &waiting[..]);
    // It would have come before this.
    let key = format!("{LOG}.Sentinel.v1");
    let properties = BasicProperties::default().with_message_id("sentinel".into());
    outsider
        .publish(&sandbox.topology.events(), &key, properties, b"?")
        .await;
    let first = hear(&mut events).await;
    assert_eq!(first.properties.message_id().as_ref().unwrap().as_str(), "sentinel");
    // Whoever turns it on again goes on where the log is.
    relay.stop().await;
    let more = append(&log, 10).await;
    let relay = Running::start(&sandbox, &log, &store);
    assert_eq!(hear_up_to(&mut events, Position::new(3_010)).await, &more[..]);
    relay.stop().await;
}

#[tokio::test]
async fn frames_that_no_subscriber_gets_count_as_published_and_as_unroutable() {
    for config in [RelayConfig::default(), without_event_messages()] {
        let sandbox = Sandbox::new(&[]);
        let (log, store) = (MemoryLog::new(), MemoryRelayStore::default());
        append(&log, 300).await;
        let relay = Running::start_with(&sandbox, &log, &store, config);
        relay.published(300).await;
        assert_eq!(relay.handle.status().borrow().unroutable, 300);
        // From when somebody binds, they are routed. That there are no outsiders is nothing to speak of.
        let mut heard = Outsider::new().await.listen_to_frames(&sandbox).await;
        let more = append(&log, 10).await;
        relay.handle.recorded(&more);
        relay.published(310).await;
        let frames = hear_frames_up_to(&mut heard, Position::new(310)).await;
        assert_eq!(frames.concat(), &more[..]);
        assert_eq!(relay.handle.status().borrow().unroutable, 300);
        relay.stop().await;
    }
}

/// `published` stands still while a queue that is bound to this exchange rejects.
/// A queue of an outsider's that rejects whatever comes.
async fn full_queue(outsider: &Outsider, exchange: &str) -> String {
    let mut full = FieldTable::default();
    full.insert("x-max-length".into(), AMQPValue::LongLongInt(1));
    full.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    let queue = outsider.bind_own(exchange, full).await;
    outsider
        .publish("", &queue, BasicProperties::default(), b"no room is left")
        .await;
    queue
}

/// As [`full_queue`], of events' own messages, and slower to say so. It goes by itself, should the test fail.
async fn full_quorum_queue(outsider: &Outsider, sandbox: &Sandbox) -> String {
    let (queue, events) = (format!("{}.full", sandbox.prefix), sandbox.topology.events());
    let mut full = FieldTable::default();
    full.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    full.insert("x-max-length".into(), AMQPValue::LongLongInt(1));
    full.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    full.insert("x-expires".into(), AMQPValue::LongLongInt(60_000));
    outsider.declare(&events).await;
    outsider.declare_queue(&queue, full).await;
    outsider.bind(&queue, &events).await;
    for _ in 0..2 {
        outsider
            .publish("", &queue, BasicProperties::default(), b"no room is left")
            .await;
    }
    queue
}

async fn a_negative_confirm_holds_it_up(of_frames: bool) {
    let sandbox = Sandbox::new(&[]);
    let (log, store) = (MemoryLog::new(), MemoryRelayStore::default());
    let outsider = Outsider::new().await;
    let (events, frames) = (sandbox.topology.events(), sandbox.topology.frames());
    let (rejecting, other) = if of_frames {
        (&frames, &events)
    } else {
        (&events, &frames)
    };
    let queue = full_queue(&outsider, rejecting).await;
    let (mut heard, mut framed) = (
        outsider.listen(&sandbox).await,
        outsider.listen_to_frames(&sandbox).await,
    );
    append(&log, 10).await;
    let relay = Running::start(&sandbox, &log, &store);
    // All of the other kind arrive, and are confirmed; that is not enough.
    if other == &frames {
        hear_frames_up_to(&mut framed, Position::new(10)).await;
    } else {
        hear_up_to(&mut heard, Position::new(10)).await;
    }
    let status = until(&relay.handle, "an error", |status| status.last_error.is_some()).await;
    assert!(
        status
            .last_error
            .is_some_and(|error| error.contains("negative confirm"))
    );
    assert_eq!(store.stored(), Position::START);
    outsider.delete_queue(&queue).await;
    relay.published(10).await;
    assert_eq!(relay.handle.status().borrow().last_error, None);
    relay.stop().await;
}

#[tokio::test]
async fn a_negative_confirm_of_a_frame_keeps_published_where_it_is() {
    a_negative_confirm_holds_it_up(true).await;
}

#[tokio::test]
async fn a_negative_confirm_of_an_events_own_message_keeps_published_where_it_is() {
    a_negative_confirm_holds_it_up(false).await;
}

#[tokio::test]
async fn however_much_else_is_confirmed_tries_get_rarer_while_nothing_is_published() {
    let sandbox = Sandbox::new(&[]);
    let (log, store) = (MemoryLog::new(), MemoryRelayStore::default());
    let outsider = Outsider::new().await;
    // Nobody has bound a queue for frames: the broker confirms them before a quorum queue rejects the rest.
    let queue = full_quorum_queue(&outsider, &sandbox).await;
    append(&log, 10).await;
    let relay = Running::start(&sandbox, &log, &store);
    until(&relay.handle, "an error", |status| status.last_error.is_some()).await;
    let mut status = relay.handle.status();
    // The waits double from 0.2 s on, and each may be cut by half: within 3 s there is time for five tries.
    let many = status.wait_for(|status| status.publishes > 70);
    let tried = tokio::time::timeout(Duration::from_secs(3), many).await.is_ok();
    assert!(!tried, "{:?}", relay.handle.status().borrow());
    assert!(relay.handle.status().borrow().publishes > 10, "it tries again");
    outsider.delete_queue(&queue).await;
    relay.published(10).await;
    assert_eq!(relay.handle.status().borrow().last_error, None);
    relay.stop().await;
}

#[tokio::test]
async fn a_large_event_is_a_frame_of_its_own() {
    let sandbox = Sandbox::new(&[]);
    let (log, store) = (MemoryLog::new(), MemoryRelayStore::default());
    let mut heard = Outsider::new().await.listen_to_frames(&sandbox).await;
    let mut events = append(&log, 2).await.to_vec();
    events.extend(append_large(&log).await.iter().cloned());
    events.extend(append(&log, 2).await.iter().cloned());
    let relay = Running::start(&sandbox, &log, &store);
    relay.published(5).await;
    let frames = hear_frames_up_to(&mut heard, Position::new(5)).await;
    assert_eq!(frames.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1, 2]);
    assert_eq!(frames.concat(), events);
    relay.stop().await;
}
