//! Deliveries: doubled, out of order, missing, not ours.

use callboard::memory::MemoryProjection;
use callboard::subscription::{Delivery, Foreign, Runner, Subscriber};
use callboard::view::ViewStore;
use callboard::{Position, Recorded};

use crate::bank::Balances;
use crate::support::{Checked, Trouble, put};
use crate::{Balanced, delivered, forged, past, with_past};

async fn offer<'a>(runner: &mut Balanced, events: impl IntoIterator<Item = &'a Recorded>) -> Vec<usize> {
    let foreign = runner.offer(&delivered(events)).await.expect("it goes on");
    foreign.into_iter().map(|foreign| foreign.index).collect()
}

fn counts(runner: &Balanced) -> (u64, u64, u64, u64) {
    let status = runner.status();
    let status = status.borrow();
    (status.applied, status.duplicates, status.foreign, status.gaps)
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_applied_in_one_transaction() {
    let (log, events, store, mut runner) = with_past(50).await;
    assert!(offer(&mut runner, &events).await.is_empty());
    assert_eq!(store.runs(), [(1, 50)]);
    assert_eq!(store.rows().await, Checked::plain_fold(&log, Position::new(50)).await);
    assert_eq!(counts(&runner), (50, 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_applied_is_dropped_and_counted() {
    let (log, events, store, mut runner) = with_past(10).await;
    offer(&mut runner, &events[..6]).await;
    assert!(offer(&mut runner, &events[..6]).await.is_empty());
    assert!(
        offer(&mut runner, events[3..].iter().chain(&events[5..8]))
            .await
            .is_empty()
    );
    assert_eq!(counts(&runner), (10, 12, 0, 0));
    assert_eq!(store.rows().await, Checked::plain_fold(&log, Position::new(10)).await);
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_read_from_the_log_at_once() {
    let (log, events, store, mut runner) = with_past(10).await;
    assert!(offer(&mut runner, [&events[8]]).await.is_empty());
    assert_eq!(
        store.position().await,
        Position::new(10),
        "and everything that the log has besides"
    );
    assert!(offer(&mut runner, &events).await.is_empty());
    assert_eq!(counts(&runner), (10, 10, 0, 1));
    assert_eq!(store.rows().await, Checked::plain_fold(&log, Position::new(10)).await);
}

#[tokio::test(start_paused = true)]
async fn deliveries_out_of_order_are_put_right_and_none_of_them_is_strange() {
    let (log, events, store, mut runner) = with_past(10).await;
    assert!(offer(&mut runner, events.iter().rev()).await.is_empty());
    assert_eq!(store.rows().await, Checked::plain_fold(&log, Position::new(10)).await);
    assert_eq!(counts(&runner), (10, 0, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn what_the_log_does_not_hold_is_reported_exactly_and_never_applied() {
    let (log, events, store, mut runner) = with_past(4).await;
    let beyond = Recorded {
        position: Position::new(9),
        ..forged(&events[3])
    };
    let last = Recorded {
        position: Position::new(u64::MAX),
        ..forged(&events[3])
    };
    let nowhere = Recorded {
        position: Position::START,
        ..forged(&events[0])
    };
    let forged: Vec<_> = events.iter().map(forged).collect();
    let mut deliveries = delivered([
        &forged[1], &events[0], &forged[0], &events[1], &events[2], &forged[2], &beyond, &events[3], &last, &nowhere,
    ]);
    deliveries.push(Delivery {
        event: Err("no JSON".into()),
    });
    let foreign = runner.offer(&deliveries).await.expect("it goes on");
    let indexes: Vec<_> = foreign.iter().map(|foreign| foreign.index).collect();
    assert_eq!(indexes, [0, 2, 5, 6, 8, 9, 10]);
    let reason = |index: usize| {
        foreign
            .iter()
            .find(|foreign| foreign.index == index)
            .map(|foreign| &*foreign.reason)
    };
    assert_eq!(reason(10), Some("no JSON"));
    assert_eq!(reason(0), Some("the log holds another event at this position"));
    assert_eq!(reason(6), Some("position 9 is beyond the log's head"));
    assert_eq!(store.rows().await, Checked::plain_fold(&log, Position::new(4)).await);
    assert_eq!(counts(&runner), (4, 0, 7, 1));
}

#[tokio::test(start_paused = true)]
async fn an_event_of_a_lost_timeline_that_looks_like_the_next_one_is_not_taken() {
    let (log, events, store, mut runner) = with_past(3).await;
    offer(&mut runner, &events[..2]).await;
    // It names the checkpoint's event before it, as the first one behind a fork does.
    let lost = forged(&events[2]);
    let behind = Recorded {
        position: Position::new(4),
        previous_id: lost.id,
        ..forged(&events[2])
    };
    assert_eq!(offer(&mut runner, [&lost, &behind]).await, [0, 1]);
    assert_eq!(
        store.rows().await,
        Checked::plain_fold(&log, Position::new(3)).await,
        "the log's own was taken"
    );
    assert_eq!(
        offer(&mut runner, [&behind]).await,
        [0],
        "also when nothing is there to be taken"
    );
    assert_eq!(
        offer(&mut runner, [&forged(&events[2])]).await,
        [0],
        "also in the checkpoint's own place"
    );
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_event_that_is_not_the_logs_halts_nobody() {
    let (log, events, store, mut runner) = with_past(3).await;
    offer(&mut runner, &events[..2]).await;
    let mut strange = forged(&events[2]);
    strange.event.event_type = "OfALostTimeline".into();
    assert_eq!(offer(&mut runner, [&strange]).await, [0]);
    let mut poison = forged(&events[2]);
    poison.event.event_type = "Noted".into();
    poison.event.data = callboard::to_json(&serde_json::json!({"account": "a", "text": "fold panics"})).expect("JSON");
    assert_eq!(offer(&mut runner, [&poison]).await, [0]);
    assert_eq!(store.rows().await, Checked::plain_fold(&log, Position::new(3)).await);
}

#[tokio::test(start_paused = true)]
async fn a_poison_that_is_not_the_logs_halts_nobody_also_where_the_store_does_not_ask_the_log() {
    for in_front in [2, 0] {
        let (log, events, _, _) = with_past(3).await;
        let view = MemoryProjection::<Balances>::new();
        let mut runner = Runner::new(view.clone(), log.clone());
        let mut poison = forged(&events[2]);
        poison.event.event_type = "Noted".into();
        let text = serde_json::json!({"account": "a", "text": "fold panics"});
        poison.event.data = callboard::to_json(&text).expect("JSON");
        // In one run with what is ours, and alone.
        runner
            .offer(&delivered(&events[..2 - in_front]))
            .await
            .expect("it goes on");
        let run = events[2 - in_front..2].iter().chain([&poison]);
        let foreign = runner.offer(&delivered(run)).await.expect("it goes on");
        assert_eq!(
            foreign.iter().map(|foreign| foreign.index).collect::<Vec<_>>(),
            [in_front]
        );
        let row = view.get(&"a".to_owned()).await.expect("a read").expect("a row");
        assert_eq!(row.path, [1, 2, 3], "the log's own was taken");
    }
}

#[tokio::test(start_paused = true)]
async fn more_than_a_transaction_takes_is_applied_in_several() {
    let (log, events, store, mut runner) = with_past(2_500).await;
    offer(&mut runner, &events[..1_200]).await;
    runner
        .catch_up(callboard::subscription::Lock::Wait)
        .await
        .expect("it goes on");
    assert_eq!(
        store.runs(),
        [(1, 1_000), (1_001, 1_200), (1_201, 2_200), (2_201, 2_500)]
    );
    assert_eq!(
        store.rows().await,
        Checked::plain_fold(&log, Position::new(2_500)).await
    );
}

#[tokio::test(start_paused = true)]
async fn two_replicas_on_one_store_apply_each_event_once() {
    let (log, events, store, mut first) = with_past(30).await;
    let mut second = Balanced::new(store.clone(), log.clone());
    offer(&mut second, &events[..1]).await;
    for run in events.chunks(7) {
        assert!(offer(&mut first, run).await.is_empty());
        assert!(offer(&mut second, run).await.is_empty());
    }
    // The one that stood still believes in an old checkpoint; its run is refused and read anew.
    let mut third = Balanced::new(store.clone(), log.clone());
    third.start().await.expect("it starts");
    let more = put(&log, &past(10)[1..]).await;
    offer(&mut first, &more[..5]).await;
    assert!(offer(&mut third, &more[5..]).await.is_empty());
    assert!(offer(&mut second, &more).await.is_empty());
    assert_eq!(store.rows().await, Checked::plain_fold(&log, Position::new(39)).await);
}

#[tokio::test(start_paused = true)]
async fn what_another_replica_takes_in_between_is_not_strange() {
    let (log, events, store, mut runner) = with_past(20).await;
    store.next_runs([Trouble::Overtaken]);
    assert!(offer(&mut runner, &events[..5]).await.is_empty());
    let more = put(&log, &past(10)[1..]).await;
    store.next_runs([Trouble::Overtaken]);
    assert!(offer(&mut runner, &more[4..]).await.is_empty());
    assert_eq!(store.rows().await, Checked::plain_fold(&log, Position::new(29)).await);
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_changes_nothing_and_the_same_deliveries_go_in_later() {
    let (log, events, store, mut runner) = with_past(10).await;
    for trouble in [Trouble::Away, Trouble::AnswerLost] {
        store.next_runs([trouble]);
        runner
            .offer(&delivered(&events))
            .await
            .expect_err("it can't go on at present");
    }
    assert!(offer(&mut runner, &events).await.is_empty());
    assert_eq!(
        store.rows().await,
        Checked::plain_fold(&log, Position::new(10)).await,
        "each event once"
    );
}

#[tokio::test(start_paused = true)]
async fn a_feed_without_anything_new_costs_no_transaction() {
    let (_, events, store, mut runner) = with_past(5).await;
    offer(&mut runner, &events).await;
    let before = store.runs().len();
    for _ in 0..10 {
        offer(&mut runner, &events).await;
    }
    assert_eq!(store.runs().len(), before);
    assert_eq!(
        store.clone().checkpoint().await.expect("a checkpoint").position,
        Position::new(5)
    );
    let _: Vec<Foreign> = runner.offer(&[]).await.expect("nothing is no fault");
}
