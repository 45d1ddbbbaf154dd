//! Batches: named batchers with size, age, key and concurrency.

use std::time::Duration;

use callboard::event_handler::testing::{Acknowledgement, DummyProducer};
use callboard::pipeline::{Batcher as Gathers, Outcome, PipelineConfig, Rate, Retry};
use tokio::time::Instant;

use crate::scripted::{Answer, Batcher, Letters, Scripted};
use crate::support::pass;
use crate::{handled, send, soon, stored};

fn batching() -> Scripted {
    batching_at(Rate::unlimited())
}

fn batching_at(rate: Rate) -> Scripted {
    let gathers = |name, size, max_age, concurrency| Gathers {
        name,
        size,
        max_age: Duration::from_secs(max_age),
        concurrency,
    };
    Scripted::with(PipelineConfig {
        batchers: vec![gathers("mail", 3, 10, 1), gathers("parcels", 100, 60, 2)],
        retry: Retry {
            tries: 3,
            ..Retry::default()
        },
        time_limit: Duration::from_secs(100_000),
        rate,
        ..PipelineConfig::default()
    })
}

async fn letter(producer: &mut DummyProducer<Scripted>, stream: &str, batcher: Batcher, key: &str) -> Acknowledgement {
    let batch = Some((batcher, key.to_owned()));
    producer.produce(stream, Letters::Sent { batch }).await
}

fn batches(handler: &Scripted) -> Vec<Vec<u64>> {
    handler.batches.lock().expect("no panic").clone()
}

#[tokio::test(start_paused = true)]
async fn a_batch_begins_when_it_is_full_or_old_enough_and_holds_one_key() {
    let handler = batching();
    let mut producer = DummyProducer::new(handler.clone()).await;
    let since = Instant::now();
    let mut lone = letter(&mut producer, "a", Batcher::Mail, "london").await;
    for stream in ["b", "c", "d"] {
        letter(&mut producer, stream, Batcher::Mail, "paris").await;
    }
    let mut parcel = letter(&mut producer, "e", Batcher::Parcels, "paris").await;
    assert!(handled(&soon(lone.done()).await));
    assert_eq!(since.elapsed().as_secs(), 10, "its age");
    assert_eq!(batches(&handler), [vec![2, 3, 4], vec![1]], "the full one went first");
    assert!(handled(&soon(parcel.done()).await));
    assert_eq!(since.elapsed().as_secs(), 60, "each batcher has an age of its own");
    stored(&producer, 5).await;
}

#[tokio::test(start_paused = true)]
async fn events_of_a_stream_share_a_batch_in_order_and_wait_where_the_next_one_goes_elsewhere() {
    let handler = batching();
    let mut producer = DummyProducer::new(handler.clone()).await;
    letter(&mut producer, "a", Batcher::Mail, "paris").await;
    letter(&mut producer, "a", Batcher::Mail, "paris").await;
    letter(&mut producer, "a", Batcher::Mail, "london").await;
    let mut alone = send(&mut producer, "a").await;
    assert!(handled(&soon(alone.done()).await));
    assert_eq!(batches(&handler), [vec![1, 2], vec![3]]);
    assert_eq!(handler.calls.positions(), [1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_in_a_batch_is_tried_again_with_what_stands_behind_it_in_its_stream() {
    let handler = batching();
    handler.answers(1, [Answer::Later(None)]);
    let mut producer = DummyProducer::new(handler.clone()).await;
    letter(&mut producer, "a", Batcher::Mail, "paris").await;
    letter(&mut producer, "a", Batcher::Mail, "paris").await;
    letter(&mut producer, "b", Batcher::Mail, "paris").await;
    stored(&producer, 3).await;
    assert_eq!(
        batches(&handler),
        [vec![1, 2, 3], vec![1, 2]],
        "the other stream's is done"
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_fails_for_good_is_taken_apart_to_find_the_one_at_fault() {
    let handler = batching();
    handler.answers(2, [Answer::WholeBatchNever]);
    let mut producer = DummyProducer::new(handler.clone()).await;
    let mut one = letter(&mut producer, "a", Batcher::Mail, "paris").await;
    let mut poison = letter(&mut producer, "b", Batcher::Mail, "paris").await;
    let mut other = letter(&mut producer, "c", Batcher::Mail, "paris").await;
    assert_eq!(soon(poison.done()).await, Outcome::Parked("the whole batch".into()));
    assert!(handled(&soon(one.done()).await) && handled(&soon(other.done()).await));
    assert_eq!(batches(&handler), [vec![1, 2, 3], vec![1], vec![2], vec![3]]);
    stored(&producer, 3).await;
}

#[tokio::test(start_paused = true)]
async fn batches_of_one_key_run_one_after_another_and_of_a_batcher_only_so_many_at_once() {
    let handler = batching();
    (1..=3).for_each(|position| handler.answers(position, [Answer::Hold]));
    let mut producer = DummyProducer::new(handler.clone()).await;
    letter(&mut producer, "a", Batcher::Parcels, "x").await;
    letter(&mut producer, "b", Batcher::Parcels, "y").await;
    letter(&mut producer, "c", Batcher::Parcels, "z").await;
    handler.until_busy(2).await;
    letter(&mut producer, "d", Batcher::Parcels, "x").await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(batches(&handler), [vec![1], vec![2]], "two at once, and x only once");
    for _ in 0..3 {
        handler.let_go();
        tokio::time::sleep(Duration::from_secs(300)).await;
    }
    stored(&producer, 4).await;
    assert_eq!(handler.busy.borrow().1, 2);
}

#[tokio::test(start_paused = true)]
async fn what_a_full_batch_leaves_behind_waits_its_own_age() {
    let handler = batching();
    let mut producer = DummyProducer::new(handler.clone()).await;
    let since = Instant::now();
    letter(&mut producer, "a", Batcher::Mail, "paris").await;
    letter(&mut producer, "b", Batcher::Mail, "paris").await;
    pass(Duration::from_secs(8)).await;
    letter(&mut producer, "c", Batcher::Mail, "paris").await;
    let mut left = letter(&mut producer, "d", Batcher::Mail, "paris").await;
    assert!(handled(&soon(left.done()).await));
    assert_eq!(batches(&handler), [vec![1, 2, 3], vec![4]]);
    assert_eq!(
        since.elapsed().as_secs(),
        18,
        "it came with the batch that it found full"
    );
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_a_batch_of_its_key_runs_waits_its_own_age() {
    let handler = batching();
    handler.answers(1, [Answer::Hold]);
    let mut producer = DummyProducer::new(handler.clone()).await;
    for stream in ["a", "b", "c"] {
        letter(&mut producer, stream, Batcher::Mail, "paris").await;
    }
    handler.until_busy(1).await;
    pass(Duration::from_secs(100)).await;
    let since = Instant::now();
    let mut next = letter(&mut producer, "d", Batcher::Mail, "paris").await;
    pass(Duration::from_secs(4)).await;
    handler.let_go();
    assert!(handled(&soon(next.done()).await));
    assert_eq!(since.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_counts_the_events_of_a_batch() {
    let handler = batching_at(Rate::limited(3, Duration::from_secs(30)));
    let mut producer = DummyProducer::new(handler.clone()).await;
    let since = Instant::now();
    for stream in ["a", "b", "c"] {
        letter(&mut producer, stream, Batcher::Mail, "paris").await;
    }
    let mut alone = send(&mut producer, "d").await;
    assert!(handled(&soon(alone.done()).await));
    assert_eq!(since.elapsed().as_secs(), 10, "a third of the limit's time");
    assert_eq!(batches(&handler), [vec![1, 2, 3]]);
}

#[tokio::test(start_paused = true)]
async fn what_the_rate_lets_through_goes_to_the_oldest_be_it_a_batch() {
    let handler = batching_at(Rate::limited(1, Duration::from_secs(10)));
    let mut producer = DummyProducer::new(handler.clone()).await;
    send(&mut producer, "first").await;
    for stream in ["a", "b", "c"] {
        letter(&mut producer, stream, Batcher::Mail, "paris").await;
    }
    let since = Instant::now();
    let mut last = send(&mut producer, "last").await;
    assert!(handled(&soon(last.done()).await));
    assert_eq!(handler.calls.positions(), [1, 2, 3, 4, 5]);
    assert_eq!(
        since.elapsed().as_secs(),
        40,
        "behind one for the batch's turn, and three that it owes"
    );
}
