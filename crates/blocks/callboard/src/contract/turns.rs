//! What every log must do whose writers take turns.

use futures::{FutureExt, poll};

use super::log::{done, event};
use crate::log::{Append, Appended, LogStore, Slice, Turn};
use crate::names::{Checkpoint, Position};

/// Judges the turns of an empty log that several hold: `replicas` are the same log, each as another process has it.
///
/// # Panics
/// When the log breaks the contract; the message says where.
pub async fn turns<S: LogStore>(replicas: [S; 2]) {
    let [one, other] = replicas;
    let head = done(&other, Checkpoint::START, vec![event("a", 1)]).await;
    let head = a_turn_waits_for_the_one_before_it(&one, &other, head).await;
    let head = who_takes_no_turn_is_not_held_up(&one, &other, head).await;
    a_turn_that_is_dropped_is_passed_on(&one, &other, head).await;
}

async fn turn<S: LogStore>(log: &S, after: Position) -> (S::Turn, Slice) {
    let taken = log.take_turn(after, 10).await.expect("the turn comes");
    taken.expect("its writers take turns")
}

async fn a_turn_waits_for_the_one_before_it<S: LogStore>(one: &S, other: &S, head: Checkpoint) -> Checkpoint {
    let (first, slice) = turn(one, Position::START).await;
    assert_eq!(
        slice.events.len(),
        1,
        "it reads what is there before anything is decided"
    );
    let mut second = Box::pin(turn(other, head.position));
    for _ in 0..100 {
        assert!(poll!(&mut second).is_pending(), "it isn't its turn");
        one.head().await.expect("a head");
    }
    let append = Append {
        expected: head,
        events: vec![event("a", 2), event("b", 1)],
        keys: Vec::new(),
    };
    let appended = first.append(&append).await.expect("an answer");
    assert!(matches!(appended, Appended::Done { .. }), "{appended:?}");
    let (second, slice) = second.await;
    assert_eq!(slice.anchor, Some(head.event_id), "a read starts AT the position");
    let streams: Vec<_> = slice.events.iter().map(|event| event.stream.as_str()).collect();
    assert_eq!(
        streams,
        ["a", "b"],
        "a turn comes when what the last one recorded is seen"
    );
    // An append that loses is an append, too.
    match second.append(&append_of("c", head)).await.expect("an answer") {
        Appended::HeadMoved(moved) => assert_eq!(moved, slice.events[1].checkpoint()),
        other => panic!("the head is another one, yet: {other:?}"),
    }
    let (_, slice) = turn(one, head.position).await;
    assert_eq!(slice.events.len(), 2, "and ends the turn");
    slice.events[1].checkpoint()
}

fn append_of(stream: &str, expected: Checkpoint) -> Append {
    Append {
        expected,
        events: vec![event(stream, 1)],
        keys: Vec::new(),
    }
}

/// A turn keeps nobody from the log: whoever has it learns of the others by its append.
async fn who_takes_no_turn_is_not_held_up<S: LogStore>(one: &S, other: &S, head: Checkpoint) -> Checkpoint {
    let (late, _) = turn(one, head.position).await;
    let moved = done(other, head, vec![event("d", 1)]).await;
    match late.append(&append_of("e", head)).await.expect("an answer") {
        Appended::HeadMoved(to) => assert_eq!(to, moved),
        other => panic!("the head is another one, yet: {other:?}"),
    }
    moved
}

async fn a_turn_that_is_dropped_is_passed_on<S: LogStore>(one: &S, other: &S, head: Checkpoint) {
    let (dropped, _) = turn(one, head.position).await;
    let waiting = Box::pin(turn(one, head.position));
    assert!(
        waiting.now_or_never().is_none(),
        "it isn't its turn, and it is given up"
    );
    drop(dropped);
    let (turn, slice) = turn(other, head.position).await;
    assert!(slice.events.is_empty());
    let appended = turn.append(&append_of("f", head)).await.expect("an answer");
    assert!(matches!(appended, Appended::Done { .. }), "{appended:?}");
}
