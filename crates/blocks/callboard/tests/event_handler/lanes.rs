//! Lanes: what runs beside what, how much of it, and how far the checkpoint is.

use std::time::Duration;

use callboard::event_handler::testing::DummyProducer;
use callboard::pipeline::{Outcome, PipelineConfig, Rate, RateLimit};
use tokio::time::Instant;

use crate::scripted::{Answer, Letters, Scripted};
use crate::{handled, send, soon, stored};

#[tokio::test(start_paused = true)]
async fn an_event_is_handled_with_its_stable_id_and_what_isnt_wanted_is_passed_over() {
    let handler = Scripted::new();
    let mut producer = DummyProducer::new(handler.clone()).await;
    let mut wanted = send(&mut producer, "a").await;
    let mut unwanted = producer.produce("a", Letters::Lost).await;
    assert!(handled(&soon(wanted.done()).await));
    assert_eq!(soon(unwanted.done()).await, Outcome::Skipped);
    stored(&producer, 2).await;
    assert_eq!(handler.calls.positions(), [1]);
    assert_eq!(producer.checkpoint().await.position.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn streams_run_beside_one_another_and_each_of_them_in_order() {
    let handler = Scripted::new();
    handler.answers(1, [Answer::Hold]);
    let mut producer = DummyProducer::new(handler.clone()).await;
    let mut first = send(&mut producer, "a").await;
    let mut second = send(&mut producer, "a").await;
    let mut beside = send(&mut producer, "b").await;
    assert!(handled(&soon(beside.done()).await));
    assert_eq!(
        handler.calls.positions(),
        [1, 3],
        "the second one waits behind the first"
    );
    assert_eq!(producer.checkpoint().await.position.get(), 0, "nothing below 1 is done");
    handler.let_go();
    assert!(handled(&soon(first.done()).await) && handled(&soon(second.done()).await));
    assert_eq!(handler.calls.positions(), [1, 3, 2]);
    stored(&producer, 3).await;
}

#[tokio::test(start_paused = true)]
async fn no_more_are_handled_at_once_than_may_be() {
    let config = PipelineConfig {
        concurrency: 2,
        ..PipelineConfig::default()
    };
    let handler = Scripted::with(config);
    (1..=5).for_each(|position| handler.answers(position, [Answer::Hold]));
    let mut producer = DummyProducer::new(handler.clone()).await;
    for stream in ["a", "b", "c", "d", "e"] {
        send(&mut producer, stream).await;
    }
    for begun in 2..=5 {
        handler.until_begun(begun).await;
        handler.until_busy(2).await;
        handler.let_go();
    }
    handler.let_go();
    stored(&producer, 5).await;
    assert_eq!(handler.busy.borrow().1, 2);
}

#[tokio::test(start_paused = true)]
async fn a_full_window_takes_no_more_until_something_is_done() {
    let config = PipelineConfig {
        window: 2,
        ..PipelineConfig::default()
    };
    let handler = Scripted::with(config);
    handler.answers(1, [Answer::Hold]);
    let mut producer = DummyProducer::new(handler.clone()).await;
    for _ in 0..2 {
        send(&mut producer, "a").await;
    }
    let mut third = producer.record("b", Letters::Sent { batch: None }).await;
    let fed = tokio::time::timeout(Duration::from_secs(20), producer.feed()).await;
    assert!(fed.is_err(), "it waits for room");
    assert_eq!(handler.calls.positions(), [1]);
    handler.let_go();
    soon(producer.feed()).await;
    assert!(handled(&soon(third.done()).await));
    stored(&producer, 3).await;
}

#[tokio::test(start_paused = true)]
async fn events_run_only_so_far_ahead_of_the_checkpoint() {
    let config = PipelineConfig {
        ahead: 3,
        ..PipelineConfig::default()
    };
    let handler = Scripted::with(config);
    handler.answers(1, [Answer::Hold]);
    let mut producer = DummyProducer::new(handler.clone()).await;
    for stream in ["a", "b", "c", "d", "e"] {
        producer.record(stream, Letters::Sent { batch: None }).await;
    }
    let fed = tokio::time::timeout(Duration::from_secs(20), producer.feed()).await;
    assert!(fed.is_err(), "it waits for the checkpoint");
    assert_eq!(handler.calls.positions(), [1, 2, 3]);
    handler.let_go();
    soon(producer.feed()).await;
    stored(&producer, 5).await;
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_counts_and_may_be_changed_while_it_runs() {
    let rate = Rate::limited(10, Duration::from_secs(1));
    let handler = Scripted::with(PipelineConfig {
        rate: rate.clone(),
        concurrency: 100,
        ..PipelineConfig::default()
    });
    let mut producer = DummyProducer::new(handler.clone()).await;
    let since = Instant::now();
    for number in 0..30 {
        send(&mut producer, &format!("s{number}")).await;
    }
    stored(&producer, 30).await;
    let took = since.elapsed();
    assert!(
        took >= Duration::from_millis(1_950) && took < Duration::from_millis(2_300),
        "{took:?}"
    );

    rate.set(Some(RateLimit {
        events: 1,
        per: Duration::from_secs(100),
    }));
    for number in 0..20 {
        send(&mut producer, &format!("s{number}")).await;
    }
    tokio::time::sleep(Duration::from_secs(150)).await;
    let slow = handler.calls.positions().len();
    assert!((31..=33).contains(&slow), "{slow}");
    rate.set(None);
    let since = Instant::now();
    stored(&producer, 50).await;
    assert!(since.elapsed() < Duration::from_secs(1), "the limit is lifted at once");
}

#[tokio::test(start_paused = true)]
async fn a_drain_lets_tries_end_and_begins_no_other_and_what_takes_too_long_comes_again() {
    let handler = Scripted::with(PipelineConfig {
        concurrency: 2,
        drain_within: Duration::from_secs(3),
        ..PipelineConfig::default()
    });
    handler.answers(1, [Answer::Hold]);
    handler.answers(2, [Answer::Hold]);
    let mut producer = DummyProducer::new(handler.clone()).await;
    for stream in ["a", "b", "c"] {
        send(&mut producer, stream).await;
    }
    handler.until_busy(2).await;
    handler.let_go();
    let since = Instant::now();
    producer.drain().await;
    assert_eq!(since.elapsed(), Duration::from_secs(3), "the deadline counts");
    assert_eq!(handler.calls.positions(), [1, 2], "nothing was begun");
    assert_eq!(handler.busy.borrow().0, 0, "the one that hung is dropped");
    assert_eq!(producer.checkpoint().await.position.get(), 1, "what ended is stored");

    let since = Instant::now();
    soon(producer.feed()).await;
    stored(&producer, 3).await;
    assert!(since.elapsed() < Duration::from_secs(1), "the claim was given back");
    let mut again = handler.calls.positions().split_off(2);
    again.sort_unstable();
    assert_eq!(again, [2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_drains_deadline_counts_for_all_tries_together() {
    let handler = Scripted::with(PipelineConfig {
        drain_within: Duration::from_secs(3),
        ..PipelineConfig::default()
    });
    (1..=3).for_each(|position| handler.answers(position, [Answer::Hold]));
    let mut producer = DummyProducer::new(handler.clone()).await;
    for stream in ["a", "b", "c"] {
        send(&mut producer, stream).await;
    }
    handler.until_busy(3).await;
    let one_by_one = async {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(2)).await;
            handler.let_go();
        }
    };
    let since = Instant::now();
    let drained = async {
        producer.drain().await;
        since.elapsed()
    };
    let (drained, ()) = tokio::join!(drained, one_by_one);
    assert_eq!(
        drained,
        Duration::from_secs(3),
        "each of them within its own would be more"
    );
    assert_eq!(producer.checkpoint().await.position.get(), 1);
}
