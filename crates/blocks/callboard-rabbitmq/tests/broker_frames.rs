//! Frames in a subscriber's queue: with events' own messages between them, partly old, behind a gap,
//! of another timeline, not ours; and a queue that is older than frames.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::time::Instant;

use callboard::memory::MemoryLog;
use callboard::subscription::{Connect, RunError};
use callboard::{Position, Recorded};
use callboard_rabbitmq::message::frame;
use callboard_rabbitmq::testing::Sandbox;
use callboard_rabbitmq::{QueueFeed, QueueFeeds, RelayConfig};
use lapin::BasicProperties;
use lapin::types::AMQPValue;
use support::running::Running;
use support::tally::Tallied;
use support::{LOG, MemoryRelayStore, Outsider, PATIENCE, append, hear};
use uuid::Uuid;

const NAME: &str = "tally";

/// A log of so many events, a subscriber that is at its start, and its queue.
struct Scene {
    sandbox: Sandbox,
    outsider: Outsider,
    log: MemoryLog,
    events: Vec<Recorded>,
    tallied: Tallied,
    feed: QueueFeed,
}

impl Scene {
    async fn new(events: u64) -> Self {
        let sandbox = Sandbox::new(&[(LOG, NAME)]);
        let log = MemoryLog::new();
        Self {
            events: append(&log, events).await.to_vec(),
            outsider: Outsider::new().await,
            tallied: Tallied::of(&log),
            feed: connect(&sandbox).await,
            sandbox,
            log,
        }
    }

    /// Frames of these, by their places in the log.
    async fn publish(&self, places: std::ops::Range<usize>) {
        self.outsider.publish_frames(&self.sandbox, &self.events[places]).await;
    }

    async fn publish_singly(&self, places: std::ops::Range<usize>) {
        let exchange = self.sandbox.topology.frames();
        self.outsider.publish_events(&exchange, &self.events[places]).await;
    }

    /// Publishes what isn't ours, as a frame would be.
    async fn publish_strange(&self, properties: BasicProperties, body: &[u8]) {
        let (exchange, key) = (self.sandbox.topology.frames(), format!("{LOG}.frame.v1"));
        self.outsider.publish(&exchange, &key, properties, body).await;
    }

    async fn reach(&mut self, position: u64) {
        self.tallied.reach(&mut self.feed, position).await;
        self.tallied.assert_rows(&self.events).await;
    }

    /// The next dead letter's reason and body.
    async fn letter(&self) -> (String, Vec<u8>) {
        let mut dead = self.outsider.consume(&self.sandbox.topology.dead()).await;
        let letter = hear(&mut dead).await;
        let headers = letter.properties.headers().as_ref().unwrap().inner();
        let AMQPValue::LongString(reason) = &headers["reason"] else {
            panic!("{headers:?}")
        };
        (reason.to_string(), letter.data)
    }
}

async fn connect(sandbox: &Sandbox) -> QueueFeed {
    let mut feeds = QueueFeeds::new(&sandbox.broker(), &sandbox.topology, LOG, NAME);
    feeds.connect().await.unwrap()
}

#[tokio::test]
async fn frames_and_events_own_messages_may_be_mixed_and_each_event_is_applied_once() {
    let mut scene = Scene::new(60).await;
    scene.publish(0..10).await;
    scene.publish_singly(5..25).await;
    scene.publish(20..40).await;
    scene.publish_singly(39..41).await;
    scene.publish(40..60).await;
    scene.reach(60).await;
    let status = scene.tallied.runner.status().borrow().clone();
    assert_eq!((status.applied, status.gaps, status.foreign), (60, 0, 0));
    assert_eq!(status.duplicates, 5 + 5 + 1 + 1);
}

#[tokio::test]
async fn of_a_frame_that_is_partly_old_only_the_rest_is_applied() {
    let mut scene = Scene::new(30).await;
    scene.publish(0..10).await;
    scene.tallied.reach(&mut scene.feed, 10).await;
    scene.publish(4..30).await;
    scene.reach(30).await;
    scene.publish(20..30).await;
    assert_eq!(scene.tallied.step(&mut scene.feed).await.unwrap(), []);
    let status = scene.tallied.runner.status().borrow().clone();
    assert_eq!((status.applied, status.duplicates, status.gaps), (30, 6 + 10, 0));
}

#[tokio::test]
async fn what_is_missing_before_a_frame_is_read_from_the_log() {
    let mut scene = Scene::new(30).await;
    scene.publish(10..20).await;
    scene.reach(30).await;
    // Late copies of what the log has given.
    scene.publish(0..10).await;
    assert_eq!(scene.tallied.step(&mut scene.feed).await.unwrap(), []);
    let status = scene.tallied.runner.status().borrow().clone();
    assert_eq!((status.applied, status.gaps, status.foreign), (30, 1, 0));
}

/// These events as another timeline would have them.
fn lost(events: &[Recorded]) -> Vec<Recorded> {
    let mut previous_id = Uuid::now_v7();
    let mut other = events.to_vec();
    for event in &mut other {
        (event.id, event.previous_id) = (Uuid::now_v7(), previous_id);
        previous_id = event.id;
    }
    other
}

#[tokio::test]
async fn a_frame_of_another_timeline_is_a_dead_letter_and_nothing_of_it_is_applied() {
    let mut scene = Scene::new(20).await;
    scene.publish(0..10).await;
    scene.tallied.reach(&mut scene.feed, 10).await;
    let lost = lost(&scene.events[10..20]);
    scene.outsider.publish_frames(&scene.sandbox, &lost).await;
    let foreign = scene.tallied.step(&mut scene.feed).await.unwrap();
    assert_eq!(foreign.len(), 10, "all of its events");
    scene.tallied.assert_rows(&scene.events).await;
    let (reason, body) = scene.letter().await;
    assert_eq!(reason, "the log holds another event at this position");
    assert_eq!(
        body,
        frame::encode(LOG, &lost).unwrap()[0].body,
        "one letter, the frame as it was"
    );
}

#[tokio::test]
async fn a_frame_of_a_log_that_was_put_back_halts_its_subscriber() {
    let mut scene = Scene::new(20).await;
    scene.publish(0..20).await;
    scene.reach(20).await;
    scene.log.put_back_to(Position::new(10));
    let new = append(&scene.log, 15).await;
    scene.outsider.publish_frames(&scene.sandbox, &new).await;
    let halted = scene.tallied.step(&mut scene.feed).await;
    let Err(RunError::Stopped { reason, .. }) = halted else {
        panic!("{halted:?}")
    };
    assert!(reason.contains("a rebuild is needed"), "{reason}");
    scene.tallied.assert_rows(&scene.events).await;
}

#[tokio::test]
async fn a_frame_that_is_not_ours_is_a_dead_letter_and_blocks_nothing() {
    let mut scene = Scene::new(20).await;
    let whole = frame::encode(LOG, &scene.events[..10]).unwrap().remove(0);
    scene.publish(0..5).await;
    scene.publish_strange(whole.properties.clone(), b"[{}]").await;
    let mut torn = scene.events[5..10].to_vec();
    torn[3].previous_id = Uuid::now_v7();
    scene.outsider.publish_frames(&scene.sandbox, &torn).await;
    scene.publish(5..20).await;
    let mut reasons = Vec::new();
    while scene.tallied.position() < Position::new(20) {
        let foreign = scene.tallied.step(&mut scene.feed).await.unwrap();
        reasons.extend(foreign.into_iter().map(|letter| letter.reason));
    }
    let expected = [
        "its body is not a JSON array of our events",
        "its event at position 9 names another one before it",
    ];
    assert_eq!(reasons, expected);
    scene.tallied.assert_rows(&scene.events).await;
    assert_eq!(scene.tallied.runner.status().borrow().gaps, 0, "nothing was missing");
    assert_eq!(scene.letter().await, (expected[0].to_owned(), b"[{}]".to_vec()));
}

#[tokio::test]
async fn a_queue_that_is_older_than_frames_changes_over_without_a_hand_and_loses_nothing() {
    let sandbox = Sandbox::new(&[(LOG, NAME)]);
    let (log, store, outsider) = (MemoryLog::new(), MemoryRelayStore::default(), Outsider::new().await);
    let topology = &sandbox.topology;
    let (queue, events_exchange) = (topology.queue(LOG, NAME), topology.events());
    topology.apply(&sandbox.broker(), &[(LOG, NAME)]).await.unwrap();
    // As an older release has left it, with what its relay has published.
    outsider.bind(&queue, &events_exchange).await;
    let mut events = append(&log, 40).await.to_vec();
    outsider.publish_events(&events_exchange, &events).await;
    let mut tallied = Tallied::of(&log);
    let mut feed = connect(&sandbox).await;
    tallied.reach(&mut feed, 40).await;
    // Its relay goes on for a while: the queue must stay bound.
    let more = append(&log, 40).await;
    outsider.publish_events(&events_exchange, &more).await;
    events.extend(more.iter().cloned());
    tallied.reach(&mut feed, 80).await;
    assert_eq!(tallied.runner.status().borrow().gaps, 0, "all of it came by the queue");
    // Then there is a relay that publishes both kinds.
    store.put_back_to(Position::new(80));
    let relay = Running::start_with(&sandbox, &log, &store, RelayConfig::default());
    events.extend(append(&log, 300).await.iter().cloned());
    tallied.reach(&mut feed, 380).await;
    let key = format!("{LOG}.Anything.v1");
    let deadline = Instant::now() + PATIENCE;
    while outsider
        .is_routed(&events_exchange, &key, BasicProperties::default(), b"?")
        .await
    {
        assert!(Instant::now() < deadline, "it still gets everything twice");
        // What asked is no event; it goes to the dead letters, and shows that the queue is still bound.
        tallied.step(&mut feed).await.unwrap();
    }
    events.extend(append(&log, 300).await.iter().cloned());
    while tallied.position() < Position::new(680) {
        tallied.step(&mut feed).await.unwrap();
    }
    tallied.assert_rows(&events).await;
    assert_eq!(tallied.runner.status().borrow().gaps, 0, "nothing was lost on the way");
    relay.stop().await;
}
