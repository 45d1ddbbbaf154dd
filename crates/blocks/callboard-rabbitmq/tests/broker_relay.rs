//! The relay on a broker that is well.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard::memory::MemoryLog;
use callboard::writer::Tap;
use callboard::{Position, Recorded};
use callboard_rabbitmq::RelayConfig;
use callboard_rabbitmq::testing::Sandbox;
use support::running::Running;
use support::{
    LOG, MemoryRelayStore, Outsider, PATIENCE, append, hear_frames_up_to, hear_up_to, until, without_duplicates,
};

#[tokio::test]
async fn a_log_is_published_in_order_with_many_messages_in_flight() {
    let sandbox = Sandbox::new(&[]);
    let (log, store) = (MemoryLog::new(), MemoryRelayStore::default());
    let outsider = Outsider::new().await;
    let mut heard = outsider.listen(&sandbox).await;
    let _frames = outsider.listen_to_frames(&sandbox).await;
    let events = append(&log, 5_000).await;
    let relay = Running::start(&sandbox, &log, &store);
    relay.published(5_000).await;
    assert_eq!(hear_up_to(&mut heard, Position::new(5_000)).await, &events[..]);

    let status = relay.handle.status().borrow().clone();
    assert_eq!(
        (status.publishes, status.unroutable, &status.last_error),
        (5_000, 0, &None)
    );
    assert!(status.leader && status.connected);
    // Awaited one by one, there would be one in flight, and 5,000 moves.
    assert!((500..=1_024).contains(&status.most_in_flight), "{status:?}");
    assert!(status.advances <= 500, "{} moves", status.advances);
    assert_eq!(store.moves().len() as u64, status.advances);
    relay.stop().await;
    assert_eq!(store.stored(), Position::new(5_000));
}

#[tokio::test]
async fn fresh_events_are_published_without_reading_the_log() {
    let sandbox = Sandbox::new(&[]);
    let (log, store) = (MemoryLog::new(), MemoryRelayStore::default());
    let mut heard = Outsider::new().await.listen(&sandbox).await;
    // It never looks by itself: without the tap, nothing would be published.
    let config = RelayConfig {
        look_every: Duration::from_secs(3_600),
        ..RelayConfig::default()
    };
    let relay = Running::start_with(&sandbox, &log, &store, config);
    let status = until(&relay.handle, "the first look", |status| {
        status.connected && status.reads > 0
    })
    .await;
    let mut events: Vec<Recorded> = Vec::new();
    for round in 1..=50 {
        // Another replica is in between: this one's writer has met its events.
        let (other, own) = (append(&log, 4).await, append(&log, 6).await);
        relay.handle.followed(&other);
        relay.handle.recorded(&own);
        events.extend(other.iter().chain(own.iter()).cloned());
        // One run after the other, so that the looks of the start can't find them all.
        relay.published(round * 10).await;
    }
    assert_eq!(hear_up_to(&mut heard, Position::new(500)).await, events);
    let reads = relay.handle.status().borrow().reads - status.reads;
    assert!(reads <= 2, "{reads} reads, more than those of the start");
    relay.stop().await;
}

#[tokio::test]
async fn what_the_tap_left_out_is_read_from_the_log() {
    let sandbox = Sandbox::new(&[]);
    let (log, store) = (MemoryLog::new(), MemoryRelayStore::default());
    let mut heard = Outsider::new().await.listen(&sandbox).await;
    let relay = Running::start(&sandbox, &log, &store);
    let mut events = append(&log, 10).await.to_vec();
    let later = append(&log, 10).await;
    relay.handle.recorded(&later);
    events.extend(later.iter().cloned());
    relay.published(20).await;
    // By another replica: only a wake-up, no events.
    events.extend(append(&log, 10).await.iter().cloned());
    relay.handle.wake(Position::new(30));
    relay.published(30).await;
    // Not even that.
    events.extend(append(&log, 10).await.iter().cloned());
    relay.published(40).await;
    assert_eq!(
        without_duplicates(hear_up_to(&mut heard, Position::new(40)).await),
        events
    );
    relay.stop().await;
}

#[tokio::test]
async fn what_the_writer_has_handed_over_is_not_read_from_the_log_for_a_wake_up() {
    let sandbox = Sandbox::new(&[]);
    let (log, store) = (MemoryLog::new(), MemoryRelayStore::default());
    let relay = Running::start(&sandbox, &log, &store);
    append(&log, 1).await;
    relay.published(1).await;
    let before = relay.handle.status().borrow().reads;
    for head in 2..=200 {
        let fresh = append(&log, 1).await;
        relay.handle.recorded(&fresh);
        relay.handle.wake(Position::new(head));
        relay.published(head).await;
    }
    // An idle relay looks once a second by itself.
    let reads = relay.handle.status().borrow().reads - before;
    assert!(reads < 100, "{reads} reads for 199 wake-ups");
    // What nobody handed over is read, and a log that falls short of what was told isn't read for ever.
    append(&log, 1).await;
    relay.handle.wake(Position::new(1_000));
    relay.published(201).await;
    let before = relay.handle.status().borrow().reads;
    append(&log, 1).await;
    relay.published(202).await;
    let reads = relay.handle.status().borrow().reads - before;
    assert!(reads < 10, "{reads} reads for one event");
    relay.stop().await;
}

#[tokio::test]
async fn a_relay_goes_on_where_the_last_one_stopped() {
    let sandbox = Sandbox::new(&[]);
    let (log, store) = (MemoryLog::new(), MemoryRelayStore::default());
    let mut heard = Outsider::new().await.listen(&sandbox).await;
    let mut events = append(&log, 100).await.to_vec();
    let first = Running::start(&sandbox, &log, &store);
    first.published(100).await;
    first.stop().await;
    events.extend(append(&log, 100).await.iter().cloned());
    let second = Running::start(&sandbox, &log, &store);
    second.published(200).await;
    second.stop().await;
    assert_eq!(
        hear_up_to(&mut heard, Position::new(200)).await,
        events,
        "nothing twice, nothing left out"
    );
}

#[tokio::test]
async fn a_relay_that_is_killed_is_followed_by_another_within_three_seconds() {
    let sandbox = Sandbox::new(&[]);
    let (log, store) = (MemoryLog::new(), MemoryRelayStore::default());
    let mut heard = Outsider::new().await.listen(&sandbox).await;
    let first = Running::start(&sandbox, &log, &store);
    until(&first.handle, "the lease", |status| status.leader).await;
    let second = Running::start(&sandbox, &log, &store);
    let events = append(&log, 1_000).await;
    first.handle.recorded(&events);
    until(&first.handle, "something in flight or published", |status| {
        status.publishes > 0
    })
    .await;
    assert!(!second.handle.status().borrow().leader, "one is active");
    let killed = Instant::now();
    first.kill().await;
    second.published(1_000).await;
    assert!(
        killed.elapsed() < Duration::from_secs(3),
        "after {:?}",
        killed.elapsed()
    );
    assert_eq!(
        without_duplicates(hear_up_to(&mut heard, Position::new(1_000)).await),
        &events[..]
    );
    second.stop().await;
}

#[tokio::test]
async fn a_relay_that_lost_its_lease_stops_and_stands_by() {
    let sandbox = Sandbox::new(&[]);
    let (log, store) = (MemoryLog::new(), MemoryRelayStore::default());
    let relay = Running::start(&sandbox, &log, &store);
    until(&relay.handle, "the lease", |status| status.leader && status.connected).await;
    store.lease_to(uuid::Uuid::new_v4());
    until(&relay.handle, "the loss of the lease", |status| {
        !status.leader && !status.connected
    })
    .await;
    let before = relay.handle.status().borrow().publishes;
    let events = append(&log, 10).await;
    relay.handle.recorded(&events);
    // The other one's lease ends by itself after 2 s; until then nothing is published here.
    let status = until(&relay.handle, "the lease again", |status| status.leader).await;
    assert_eq!(status.publishes, before);
    relay.published(10).await;
    relay.stop().await;
}

#[tokio::test]
async fn two_relays_at_once_only_repeat_messages() {
    let sandbox = Sandbox::new(&[]);
    let (log, store) = (MemoryLog::new(), MemoryRelayStore::lenient());
    let mut heard = Outsider::new().await.listen(&sandbox).await;
    let (one, two) = (
        Running::start(&sandbox, &log, &store),
        Running::start(&sandbox, &log, &store),
    );
    let mut events: Vec<Recorded> = Vec::new();
    for _ in 0..20 {
        let run = append(&log, 100).await;
        one.handle.recorded(&run);
        two.handle.recorded(&run);
        events.extend(run.iter().cloned());
    }
    one.published(2_000).await;
    two.published(2_000).await;
    let published = heard_as_subscriber(&mut heard, 2_000).await;
    assert_eq!(published, events);
    let gapless = store.moves().windows(2).all(|moves| moves[0].1 == moves[1].0);
    assert!(gapless, "{:?}", store.moves());
    one.stop().await;
    two.stop().await;
}

/// What the c+1 rule makes of what two relays send: theirs may be interleaved.
async fn heard_as_subscriber(heard: &mut lapin::Consumer, last: u64) -> Vec<Recorded> {
    let mut events: Vec<Recorded> = Vec::new();
    while events.len() < usize::try_from(last).expect("it fits") {
        let delivery = support::hear(heard).await;
        let event =
            callboard_rabbitmq::message::decode(LOG, &delivery.properties, &delivery.data).expect("one of ours");
        if event.position.get() == events.len() as u64 + 1 {
            events.push(event);
        }
    }
    events
}

#[tokio::test]
async fn a_rewind_is_noticed_by_an_idle_relay_and_everything_behind_it_repeated() {
    let sandbox = Sandbox::new(&[]);
    let (log, store) = (MemoryLog::new(), MemoryRelayStore::default());
    let mut heard = Outsider::new().await.listen(&sandbox).await;
    let events = append(&log, 50).await;
    let relay = Running::start(&sandbox, &log, &store);
    relay.published(50).await;
    assert_eq!(hear_up_to(&mut heard, Position::new(50)).await, &events[..]);
    store.put_back_to(Position::new(20));
    assert_eq!(hear_up_to(&mut heard, Position::new(50)).await, &events[20..]);
    let deadline = Instant::now() + PATIENCE;
    while store.stored() != Position::new(50) {
        assert!(Instant::now() < deadline, "published stays at {}", store.stored());
        tokio::task::yield_now().await;
    }
    relay.stop().await;
}

#[tokio::test]
async fn a_stale_relay_does_not_overwrite_a_rewind() {
    let sandbox = Sandbox::new(&[]);
    let (log, store) = (MemoryLog::new(), MemoryRelayStore::default());
    let outsider = Outsider::new().await;
    let mut heard = outsider.listen(&sandbox).await;
    let relay = Running::start(&sandbox, &log, &store);
    let first = append(&log, 10).await;
    relay.handle.recorded(&first);
    relay.published(10).await;
    assert_eq!(hear_up_to(&mut heard, Position::new(10)).await, &first[..]);
    // Between two moves of a relay that is at it: its next one must not stand.
    store.put_back_to(Position::new(4));
    let second = append(&log, 10).await;
    relay.handle.recorded(&second);
    let heard = hear_up_to(&mut heard, Position::new(20)).await;
    let stored = || store.moves().iter().any(|(from, _)| *from == Position::new(4));
    let deadline = Instant::now() + PATIENCE;
    while !stored() {
        assert!(
            Instant::now() < deadline,
            "the rewind was overwritten: {:?}",
            store.moves()
        );
        tokio::task::yield_now().await;
    }
    assert!(!heard.is_empty());
    relay.published(20).await;
    relay.stop().await;
}

#[tokio::test]
async fn a_rewind_to_what_a_stale_relay_has_read_is_not_swallowed_by_it() {
    let sandbox = Sandbox::new(&[]);
    let (log, store) = (MemoryLog::new(), MemoryRelayStore::default());
    let mut heard = Outsider::new().await.listen(&sandbox).await;
    // It looks at nothing by itself, as one that was asleep.
    let asleep = RelayConfig {
        look_every: Duration::from_secs(3_600),
        ..RelayConfig::default()
    };
    let relay = Running::start_with(&sandbox, &log, &store, asleep);
    let first = append(&log, 10).await;
    relay.handle.recorded(&first);
    relay.published(10).await;
    assert_eq!(hear_up_to(&mut heard, Position::new(10)).await, &first[..]);
    // Another relay has come to 20 meanwhile, and an operator wants all from 11 on once more.
    store.put_back_to(Position::new(10));
    let second = append(&log, 10).await;
    relay.handle.recorded(&second);
    relay.published(20).await;
    let sent = relay.handle.status().borrow().publishes;
    assert_eq!(sent, 30, "what it sent for itself is not what the operator wants");
    let mut again = hear_up_to(&mut heard, Position::new(20)).await;
    again.sort_by_key(|event| event.position);
    again.dedup();
    assert_eq!(again, &second[..]);
    relay.stop().await;
}

#[tokio::test]
async fn a_deleted_exchange_is_declared_again_and_the_window_repeated() {
    let sandbox = Sandbox::new(&[]);
    let (log, store) = (MemoryLog::new(), MemoryRelayStore::default());
    let outsider = Outsider::new().await;
    let relay = Running::start(&sandbox, &log, &store);
    until(&relay.handle, "a connection", |status| status.connected).await;
    let mut head = 0;
    for exchange in [sandbox.topology.events(), sandbox.topology.frames()] {
        let deleted = outsider
            .channel
            .exchange_delete(exchange.as_str().into(), Default::default());
        deleted.await.unwrap();
        let events: Arc<[Recorded]> = append(&log, 10).await;
        relay.handle.recorded(&events);
        head += 10;
        relay.published(head).await;
    }
    // They are there: otherwise this closes the channel.
    let mut heard = outsider.listen(&sandbox).await;
    let mut frames = outsider.listen_to_frames(&sandbox).await;
    let more = append(&log, 1).await;
    relay.handle.recorded(&more);
    assert_eq!(hear_up_to(&mut heard, Position::new(21)).await, &more[..]);
    assert_eq!(hear_frames_up_to(&mut frames, Position::new(21)).await, [&more[..]]);
    relay.stop().await;
}
