//! However a log is cut into frames, and whatever happens to them: the rows are those of the log.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use callboard::memory::MemoryLog;
use callboard::subscription::{Delivery, Lock};
use callboard::{Position, Recorded};
use callboard_rabbitmq::message;
use proptest::prelude::*;
use support::tally::Tallied;
use support::{LOG, append};
use uuid::Uuid;

/// How many events the log has.
const EVENTS: usize = 100;

/// What a queue holds next.
#[derive(Debug, Clone)]
enum Held {
    /// So many in a frame, behind the last ones: what a relay publishes.
    Next(usize),
    /// So many in a frame, from some place: published again, by another relay, or out of order.
    Frame(usize, usize),
    /// An event's own message.
    Event(usize),
    /// A frame of another timeline, which has parted from this one before.
    Lost(usize, usize),
    /// A frame that was cut off.
    Torn(usize, usize),
}

fn held() -> impl Strategy<Value = Held> {
    let place = || (0..EVENTS, 1..30_usize);
    prop_oneof![
        6 => (1..30_usize).prop_map(Held::Next),
        4 => place().prop_map(|(from, count)| Held::Frame(from, count)),
        2 => (0..EVENTS).prop_map(Held::Event),
        1 => place().prop_map(|(from, count)| Held::Lost(from, count)),
        1 => place().prop_map(|(from, count)| Held::Torn(from, count)),
    ]
}

/// The events of a frame as they are read from its message; cut off, if that is wanted.
fn framed(events: &[Recorded], torn: bool) -> Vec<Delivery> {
    let frames = message::frame::encode(LOG, events).unwrap();
    let read = |frame: &message::Frame| {
        let body = &frame.body[..frame.body.len() - usize::from(torn)];
        match message::decode_all(LOG, &frame.properties, body) {
            Ok(events) => events.into_iter().map(|event| Delivery { event: Ok(event) }).collect(),
            Err(reason) => vec![Delivery { event: Err(reason) }],
        }
    };
    frames.iter().flat_map(read).collect()
}

/// What a feed makes of it.
fn deliveries(log: &[Recorded], next: &mut usize, held: &Held) -> Vec<Delivery> {
    let run = |from: usize, count: usize| &log[from..(from + count).min(EVENTS)];
    match *held {
        Held::Next(count) => {
            let from = *next;
            *next = (from + count).min(EVENTS);
            framed(run(from, count), false)
        }
        Held::Frame(from, count) => framed(run(from, count), false),
        Held::Torn(from, count) => framed(run(from, count), true),
        Held::Event(at) => {
            let message = message::encode(LOG, &log[at]).unwrap();
            let event = message::decode(LOG, &message.properties, message.body.get().as_bytes());
            vec![Delivery { event }]
        }
        Held::Lost(from, count) => {
            let mut lost = run(from, count).to_vec();
            // Parted before: what parts right at a checkpoint, only a store that asks the log can tell.
            let mut previous_id = Uuid::now_v7();
            for event in &mut lost {
                (event.id, event.previous_id) = (Uuid::now_v7(), previous_id);
                previous_id = event.id;
            }
            framed(&lost, false)
        }
    }
}

async fn converges(batches: Vec<Vec<Held>>) {
    let log = MemoryLog::new();
    let events = append(&log, EVENTS as u64).await;
    let mut tallied = Tallied::of(&log);
    tallied.runner.start().await.unwrap();
    let mut next = 0;
    for batch in batches {
        let offered: Vec<Delivery> = batch
            .iter()
            .flat_map(|held| deliveries(&events, &mut next, held))
            .collect();
        if offered.is_empty() {
            continue;
        }
        let foreign = tallied
            .runner
            .offer(&offered)
            .await
            .expect("nothing is a reason to halt");
        for letter in &foreign {
            let ours = |event: &Recorded| events.iter().any(|held| held == event);
            assert!(!offered[letter.index].event.as_ref().is_ok_and(ours), "{letter:?}");
        }
        let upto = usize::try_from(tallied.position().get()).unwrap();
        tallied.assert_rows(&events[..upto]).await;
    }
    tallied.runner.catch_up(Lock::Wait).await.unwrap();
    assert_eq!(tallied.position(), Position::new(EVENTS as u64));
    tallied.assert_rows(&events).await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn however_a_log_is_cut_into_frames_the_rows_are_the_same(
        batches in prop::collection::vec(prop::collection::vec(held(), 1..6), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(converges(batches));
    }
}

#[tokio::test]
async fn a_batch_may_end_in_the_middle_of_a_frame() {
    let log = MemoryLog::new();
    let events = append(&log, 2_500).await;
    let mut tallied = Tallied::of(&log);
    // More than one transaction takes, and no frame ends at its bound.
    let offered: Vec<Delivery> = events.chunks(130).flat_map(|run| framed(run, false)).collect();
    assert_eq!(tallied.runner.offer(&offered).await.unwrap(), []);
    tallied.assert_rows(&events).await;
    let status = tallied.runner.status().borrow().clone();
    assert_eq!((status.applied, status.transactions, status.gaps), (2_500, 3, 0));
}
