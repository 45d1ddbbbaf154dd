//! Events' own messages: hardly any while nobody has bound a queue, and none is missing once somebody has.

mod support;

use callboard::memory::MemoryLog;
use callboard::writer::Tap;
use callboard::{Position, Recorded};
use callboard_rabbitmq::testing::Sandbox;
use support::running::Running;
use support::{LOG, MemoryRelayStore, Outsider, append, append_kinds, hear_up_to};

const KINDS: [&str; 3] = ["ItemCounted", "ItemMoved", "ItemLost"];

#[tokio::test]
async fn events_that_nobody_has_bound_a_queue_for_cost_hardly_a_message() {
    let sandbox = Sandbox::new(&[]);
    let (log, store) = (MemoryLog::new(), MemoryRelayStore::default());
    append_kinds(&log, 20_000, &KINDS).await;
    let relay = Running::start(&sandbox, &log, &store);
    relay.published(20_000).await;
    // Those that were under way before it was known.
    let sent = relay.handle.status().borrow().event_messages;
    assert!((1..4_000).contains(&sent), "{sent} messages for 20,000 events");
    relay.stop().await;
}

/// Whoever skips what it has seen, as each consumer must, has got in order all that was recorded behind `from`.
fn is_all_of(heard: &[Recorded], recorded: &[Recorded], from: Position, kind: Option<&str>) {
    let wanted = |event: &&Recorded| kind.is_none_or(|kind| &*event.event.event_type == kind);
    let claimed: Vec<_> = recorded
        .iter()
        .filter(wanted)
        .filter(|event| event.position > from)
        .collect();
    let mut seen = from;
    let mut got = Vec::new();
    for event in heard.iter().filter(|event| event.position > from) {
        if event.position > seen {
            (seen, got) = (event.position, [got, vec![event]].concat());
        }
    }
    assert_eq!(got, claimed, "bound at {from} for {kind:?}");
}

/// Bursts of events of every kind, as a writer hands them over.
async fn bursts(log: &MemoryLog, relay: &Running, sizes: impl IntoIterator<Item = u64>) -> Vec<Recorded> {
    let mut all = Vec::new();
    for size in sizes {
        let burst = append_kinds(log, size, &KINDS).await;
        relay.handle.recorded(&burst);
        all.extend(burst.iter().cloned());
        tokio::task::yield_now().await;
    }
    all
}

#[tokio::test]
async fn whoever_binds_a_queue_gets_every_event_from_then_on_in_order() {
    let sandbox = Sandbox::new(&[]);
    let (log, store) = (MemoryLog::new(), MemoryRelayStore::default());
    let (relay, outsider) = (Running::start(&sandbox, &log, &store), Outsider::new().await);
    outsider.declare(&sandbox.topology.events()).await;
    for round in 0..30_u64 {
        // Some are under way while the queue is bound.
        bursts(&log, &relay, [1 + round % 7, 40, 1 + round % 3]).await;
        let kind = [None, Some("ItemMoved"), Some("ItemLost")][round as usize % 3];
        let pattern = kind.map_or_else(|| format!("{LOG}.#"), |kind| format!("*.{kind}.*"));
        let (queue, mut consumer) = outsider.listen_for(&sandbox, &pattern).await;
        let from = log_head(&log).await;
        let mut recorded = bursts(&log, &relay, [1, 2 + round % 50, 30, 1, 3]).await;
        recorded.extend(bursts(&log, &relay, [3]).await);
        let last = recorded
            .iter()
            .rfind(|event| kind.is_none_or(|kind| &*event.event.event_type == kind));
        let last = last.expect("each burst of three has every kind").position;
        let heard = hear_up_to(&mut consumer, last).await;
        is_all_of(&heard, &recorded, from, kind);
        outsider.delete_queue(&queue).await;
    }
    relay.stop().await;
}

async fn log_head(log: &MemoryLog) -> Position {
    use callboard::log::LogReader;
    log.head().await.expect("it is in memory").position
}

#[tokio::test]
async fn two_outsiders_that_want_different_events_each_get_theirs() {
    let sandbox = Sandbox::new(&[]);
    let (log, store) = (MemoryLog::new(), MemoryRelayStore::default());
    let relay = Running::start(&sandbox, &log, &store);
    let (one, other) = (Outsider::new().await, Outsider::new().await);
    let (_, mut moved) = one.listen_for(&sandbox, "*.ItemMoved.*").await;
    let recorded = bursts(&log, &relay, [100, 1, 2, 30]).await;
    let (_, mut lost) = other.listen_for(&sandbox, "*.ItemLost.*").await;
    let later = bursts(&log, &relay, [60, 1, 9, 3]).await;
    let all = [recorded, later.clone()].concat();
    let last = |kind: &str| {
        all.iter()
            .rfind(|event| &*event.event.event_type == kind)
            .expect("one")
            .position
    };
    let heard = hear_up_to(&mut moved, last("ItemMoved")).await;
    is_all_of(&heard, &all, Position::START, Some("ItemMoved"));
    let heard = hear_up_to(&mut lost, last("ItemLost")).await;
    is_all_of(
        &heard,
        &all,
        Position::new(later[0].position.get() - 1),
        Some("ItemLost"),
    );
    relay.stop().await;
}

#[tokio::test]
async fn what_waits_when_a_relay_is_stopped_is_settled_first_or_published_by_the_next_one() {
    let sandbox = Sandbox::new(&[]);
    let (log, store) = (MemoryLog::new(), MemoryRelayStore::default());
    let mut heard = Outsider::new().await.listen(&sandbox).await;
    for round in 1..=10 {
        append(&log, 300).await;
        let relay = Running::start(&sandbox, &log, &store);
        if round % 2 == 0 {
            relay.stop().await;
        } else {
            relay.kill().await;
        }
    }
    let relay = Running::start(&sandbox, &log, &store);
    let heard = support::without_duplicates(hear_up_to(&mut heard, Position::new(3_000)).await);
    assert_eq!(heard.len(), 3_000);
    relay.published(3_000).await;
    relay.stop().await;
}
