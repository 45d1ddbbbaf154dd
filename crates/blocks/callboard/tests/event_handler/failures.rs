//! What fails: tried again in its lane, then parked with what stands behind it.

use std::time::Duration;

use callboard::Position;
use callboard::event_handler::testing::DummyProducer;
use callboard::parking::{Cause, Parking, RetryOutcome, Selection};
use callboard::pipeline::{Outcome, PipelineConfig, Retry};
use tokio::time::Instant;

use crate::scripted::{Answer, Batcher, Letters, Scripted};
use crate::{handled, send, soon, stored};

#[tokio::test(start_paused = true)]
async fn what_fails_for_now_is_tried_again_with_growing_delays_while_other_lanes_go_on() {
    let handler = Scripted::new();
    handler.answers(1, [Answer::Later(None), Answer::Later(None)]);
    let mut producer = DummyProducer::new(handler.clone()).await;
    let since = Instant::now();
    let mut failing = send(&mut producer, "a").await;
    let mut behind = send(&mut producer, "a").await;
    let mut beside = send(&mut producer, "b").await;
    assert!(handled(&soon(beside.done()).await));
    assert!(since.elapsed() < Duration::from_millis(100), "beside it nothing waits");
    assert_eq!(soon(failing.failed(2)).await, "not now");
    assert!(handled(&soon(failing.done()).await));
    let took = since.elapsed();
    // Half to all of 0.5 s, then of 1 s.
    assert!(
        took >= Duration::from_millis(750) && took <= Duration::from_millis(1_600),
        "{took:?}"
    );
    assert!(handled(&soon(behind.done()).await));
    let ids: Vec<_> = handler
        .calls
        .all()
        .iter()
        .filter(|call| call.position == failing.position)
        .map(|call| call.id)
        .collect();
    assert!(
        ids.len() == 3 && ids.iter().all(|id| *id == ids[0]),
        "one id for all tries"
    );
    assert_eq!(handler.calls.positions().last(), Some(&2));
    stored(&producer, 3).await;
}

#[tokio::test(start_paused = true)]
async fn the_wait_that_the_other_side_asks_for_is_kept_within_bounds() {
    for (asked, least, most) in [(20, 20, 21), (3_600, 60, 61)] {
        let handler = Scripted::new();
        handler.answers(1, [Answer::Later(Some(Duration::from_secs(asked)))]);
        let mut producer = DummyProducer::new(handler.clone()).await;
        let since = Instant::now();
        let mut event = send(&mut producer, "a").await;
        assert!(handled(&soon(event.done()).await));
        let took = since.elapsed().as_secs();
        assert!((least..most).contains(&took), "{asked}: {took}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_keeps_failing_is_parked_with_its_stream_and_a_retry_hands_it_over_in_order() {
    let handler = Scripted::new();
    handler.answers(
        1,
        [
            Answer::Later(None),
            Answer::Later(None),
            Answer::Later(None),
            Answer::Later(None),
        ],
    );
    let mut producer = DummyProducer::new(handler.clone()).await;
    let mut failing = send(&mut producer, "a").await;
    let mut behind = send(&mut producer, "a").await;
    let mut beside = send(&mut producer, "b").await;
    assert_eq!(soon(failing.done()).await, Outcome::Parked("not now".into()));
    assert!(matches!(soon(behind.done()).await, Outcome::Parked(_)));
    assert!(handled(&soon(beside.done()).await));
    stored(&producer, 3).await;
    let mut later = send(&mut producer, "a").await;
    assert!(
        matches!(soon(later.done()).await, Outcome::Parked(_)),
        "nothing passes it"
    );
    assert_eq!(handler.calls.positions(), [1, 3, 1, 1], "three tries");
    let parking = producer.parking();
    let listed = parking.list().await.expect("a list");
    let listed: Vec<_> = listed
        .iter()
        .map(|parked| (parked.position.get(), parked.cause))
        .collect();
    assert_eq!(listed, [(1, Cause::Failed), (2, Cause::Behind), (4, Cause::Behind)]);

    let would = parking.retry(Selection::All, true).await.expect("an answer");
    assert_eq!(would[0].outcome, RetryOutcome::WouldApply);
    let failed = parking.retry(Selection::All, false).await.expect("an answer");
    let reason = "not now".to_owned();
    let position = Position::new(1);
    assert_eq!(failed[0].outcome, RetryOutcome::Failed { position, reason });
    assert_eq!(parking.list().await.expect("a list")[0].tries, 1);
    let applied = parking
        .retry(Selection::At(Position::new(4)), false)
        .await
        .expect("an answer");
    assert_eq!(applied[0].outcome, RetryOutcome::Applied);
    assert_eq!(applied[0].positions, [1, 2, 4].map(Position::new));
    assert_eq!(handler.calls.positions()[5..], [1, 2, 4], "in order");
    assert!(parking.list().await.expect("a list").is_empty());

    let mut free = send(&mut producer, "a").await;
    assert!(handled(&soon(free.done()).await), "as if nothing had been");
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_fails_halfway_leaves_the_rest_parked() {
    let handler = Scripted::new();
    handler.answers(1, [Answer::Never]);
    handler.answers(2, [Answer::Never]);
    let mut producer = DummyProducer::new(handler.clone()).await;
    for _ in 0..3 {
        send(&mut producer, "a").await;
    }
    stored(&producer, 3).await;
    let parking = producer.parking();
    let failed = parking.retry(Selection::All, false).await.expect("an answer");
    assert!(
        matches!(failed[0].outcome, RetryOutcome::Failed { position, .. } if position.get() == 2),
        "{failed:?}"
    );
    let left: Vec<_> = parking
        .list()
        .await
        .expect("a list")
        .iter()
        .map(|parked| (parked.position.get(), parked.cause))
        .collect();
    assert_eq!(left, [(2, Cause::Failed), (3, Cause::Behind)]);
    parking
        .discard(Position::new(2), "a typing error")
        .await
        .expect("it is discarded");
    let rest = parking.retry(Selection::All, false).await.expect("an answer");
    assert_eq!(rest[0].outcome, RetryOutcome::Applied);
    assert_eq!(handler.calls.positions(), [1, 1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn what_can_never_be_handled_is_parked_at_once() {
    for (answer, said) in [
        (Answer::Never, "never"),
        (Answer::Panic, "the handler panicked: on purpose"),
    ] {
        let handler = Scripted::new();
        handler.answers(1, [answer]);
        let mut producer = DummyProducer::new(handler.clone()).await;
        let since = Instant::now();
        let mut event = send(&mut producer, "a").await;
        assert_eq!(soon(event.done()).await, Outcome::Parked(said.into()));
        assert!(since.elapsed() < Duration::from_millis(100));
        assert_eq!(handler.calls.positions(), [1]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_for_a_batcher_that_isnt_there_is_parked() {
    let mut producer = DummyProducer::new(Scripted::new()).await;
    let letter = Letters::Sent {
        batch: Some((Batcher::Nobody, "x".into())),
    };
    let mut event = producer.produce("a", letter).await;
    assert_eq!(
        soon(event.done()).await,
        Outcome::Parked("no batcher is named nobody".into())
    );
}

#[tokio::test(start_paused = true)]
async fn a_try_that_takes_too_long_is_dropped_and_an_age_ends_the_tries() {
    let handler = Scripted::with(PipelineConfig {
        time_limit: Duration::from_secs(10),
        retry: Retry {
            tries: 100,
            within: Duration::from_secs(25),
            least: Duration::from_secs(1),
            most: Duration::from_secs(1),
        },
        ..PipelineConfig::default()
    });
    handler.answers(1, vec![Answer::Hold; 9]);
    let mut producer = DummyProducer::new(handler.clone()).await;
    let mut event = send(&mut producer, "a").await;
    assert_eq!(
        soon(event.done()).await,
        Outcome::Parked("not handled within 10s".into())
    );
    assert_eq!(handler.calls.positions(), [1, 1, 1], "the last one begins within 25 s");
    assert_eq!(handler.busy.borrow().0, 0);
}

#[tokio::test(start_paused = true)]
async fn a_crash_before_the_checkpoint_is_stored_delivers_again_with_the_same_id() {
    let handler = Scripted::new();
    handler.answers(1, [Answer::Hold]);
    let mut producer = DummyProducer::new(handler.clone()).await;
    send(&mut producer, "a").await;
    let mut beside = send(&mut producer, "b").await;
    assert!(handled(&soon(beside.done()).await));
    producer.crash().await;
    assert_eq!(producer.checkpoint().await.position.get(), 0);
    soon(producer.feed()).await;
    stored(&producer, 2).await;
    let calls = handler.calls.all();
    let ids = |position: u64| -> Vec<_> {
        let of = calls.iter().filter(|call| call.position.get() == position);
        of.map(|call| call.id).collect()
    };
    assert_eq!(
        (ids(1).len(), ids(2).len()),
        (2, 2),
        "the second one had been handled, and comes again"
    );
    assert!(ids(1)[0] == ids(1)[1] && ids(2)[0] == ids(2)[1]);
}

#[tokio::test(start_paused = true)]
async fn what_was_parked_before_a_crash_stays_parked_and_is_not_handled_again() {
    let handler = Scripted::new();
    handler.answers(1, [Answer::Hold]);
    handler.answers(3, [Answer::Never]);
    let mut producer = DummyProducer::new(handler.clone()).await;
    send(&mut producer, "hangs").await;
    send(&mut producer, "a").await;
    let mut failing = send(&mut producer, "a").await;
    let mut behind = send(&mut producer, "a").await;
    assert!(matches!(soon(failing.done()).await, Outcome::Parked(_)));
    assert!(matches!(soon(behind.done()).await, Outcome::Parked(_)));
    producer.crash().await;
    soon(producer.feed()).await;
    stored(&producer, 4).await;
    assert_eq!(
        handler.calls.positions(),
        [1, 2, 3, 1],
        "only what isn't known to be done"
    );
    let parked = producer.parking().list().await.expect("a list");
    assert_eq!(
        parked.iter().map(|parked| parked.position.get()).collect::<Vec<_>>(),
        [3, 4]
    );
}
