//! What every store of a projection must do with events that can't be applied, shown on the items.

use super::views::{ItemEvent, Items, ItemsLog, put};
use crate::log::LogStore;
use crate::names::Position;
use crate::parking::{Cause, Parking, ParkingError, Retried, RetryOutcome, Selection};
use crate::spec::record;
use crate::subscription::{Lock, Runner, Subscriber};
use crate::view::{Standing, ViewStore};

/// An item in a stream of its own choice.
fn item(stream: &'static str, shelf: &str, label: &str, weight: i64) -> (&'static str, ItemEvent) {
    (stream, put(shelf, 1, label, weight, None).1)
}

/// Judges how a projection parks: `subscriber` follows `log`, keeps what `view` reads, and `parked`
/// deals with its parked events; all of them fresh.
///
/// # Panics
/// When the store breaks the contract; the message says where.
pub async fn parking<S, L, V>(subscriber: S, log: &L, view: &V, parked: &impl Parking)
where
    S: Subscriber<Log = ItemsLog>,
    L: LogStore + Clone,
    V: ViewStore<Items>,
{
    let record = async |events: &[(&str, ItemEvent)]| record::<ItemsLog>(log, events).await;
    record(&[
        item("s-1", "a", "one", 1),
        item("s-1", "a", "poison", 1),
        item("s-2", "a", "by its key", 2),
        item("s-2", "b", "by its stream", 3),
        item("s-3", "b", "by the key of one behind", 4),
        item("s-4", "c", "free", 5),
    ])
    .await;
    let mut runner = Runner::new(subscriber, log.clone());
    runner.catch_up(Lock::Wait).await.expect("it goes on");

    stands(view, 6, 4).await;
    assert_eq!(
        weight(view, "a").await,
        Some(1),
        "nothing passes a parked event on its key"
    );
    assert_eq!(weight(view, "b").await, None, "nor on its stream");
    assert_eq!(weight(view, "c").await, Some(5), "everything else goes on");
    let listed = parked.list().await.expect("a list");
    let causes: Vec<_> = listed
        .iter()
        .map(|parked| (parked.position.get(), parked.cause))
        .collect();
    let behind = |position| (position, Cause::Behind);
    assert_eq!(causes, [(2, Cause::Failed), behind(3), behind(4), behind(5)]);
    assert!(listed[0].reason.contains("poison"), "{}", listed[0].reason);
    assert!(listed[1].reason.contains("position 2"), "{}", listed[1].reason);

    record(&[item("s-3", "d", "still behind", 1), item("s-4", "c", "still free", 5)]).await;
    runner.catch_up(Lock::Wait).await.expect("it goes on");
    stands(view, 8, 5).await;
    assert_eq!((weight(view, "d").await, weight(view, "c").await), (None, Some(10)));

    retries(view, parked).await;
    discards(view, parked).await;

    record(&[item("s-1", "a", "as if nothing had been", 1)]).await;
    runner.catch_up(Lock::Wait).await.expect("it goes on");
    stands(view, 9, 0).await;
    assert_eq!(weight(view, "a").await, Some(4));
}

/// A group that can't be replayed stays as it is, whole.
async fn retries<V: ViewStore<Items>>(view: &V, parked: &impl Parking) {
    for (tries, dry_run) in [(0, true), (1, false), (2, false)] {
        let retried = parked.retry(Selection::All, dry_run).await.expect("an answer");
        let failed =
            |retried: &Retried| matches!(retried.outcome, RetryOutcome::Failed { position, .. } if position.get() == 2);
        assert!(retried.len() == 1 && failed(&retried[0]), "{retried:?}");
        let listed = parked.list().await.expect("a list");
        assert_eq!((listed.len(), listed[0].tries), (5, tries), "a dry run changes nothing");
    }
    stands(view, 8, 5).await;
    let none = parked.retry(Selection::Cause(Cause::Undecodable), false).await;
    assert_eq!(none.expect("an answer"), [], "no group has such a one");
    let outcome = parked.retry(Selection::At(Position::new(6)), false).await;
    assert!(matches!(outcome, Err(ParkingError::NotParked { .. })), "{outcome:?}");
}

/// What is discarded is gone; what waited behind it is applied by a retry, in order.
async fn discards<V: ViewStore<Items>>(view: &V, parked: &impl Parking) {
    let outcome = parked.discard(Position::new(1), "never parked").await;
    assert!(matches!(outcome, Err(ParkingError::NotParked { .. })), "{outcome:?}");
    let discarded = parked
        .discard(Position::new(2), "a typing error")
        .await
        .expect("an answer");
    assert_eq!(discarded.position, Position::new(2));
    stands(view, 8, 4).await;
    let group = [3, 4, 5, 7].map(Position::new).to_vec();
    let would = parked.retry(Selection::All, true).await.expect("an answer");
    let expected = |outcome| {
        let positions = group.clone();
        vec![Retried { positions, outcome }]
    };
    assert_eq!(would, expected(RetryOutcome::WouldApply));
    stands(view, 8, 4).await;
    let applied = parked
        .retry(Selection::At(Position::new(4)), false)
        .await
        .expect("an answer");
    assert_eq!(
        applied,
        expected(RetryOutcome::Applied),
        "one takes its whole group along"
    );
    stands(view, 8, 0).await;
    let row = view.get(&("b".into(), 1)).await.expect("a read").expect("the row");
    assert_eq!(
        (row.weight, row.label.as_str()),
        (7, "by the key of one behind"),
        "in order"
    );
    assert_eq!((weight(view, "a").await, weight(view, "d").await), (Some(3), Some(1)));
}

async fn stands<V: ViewStore<Items>>(view: &V, position: u64, parked: u64) {
    let position = Position::new(position);
    let standing = view.standing().await.expect("a standing");
    assert_eq!(standing, Standing { position, parked });
}

async fn weight<V: ViewStore<Items>>(view: &V, shelf: &str) -> Option<i64> {
    let row = view.get(&(shelf.into(), 1)).await.expect("a read");
    row.map(|row| row.weight)
}
