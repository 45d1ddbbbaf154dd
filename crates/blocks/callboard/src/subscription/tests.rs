//! `judge`, exhaustively for small logs: one timeline, and two that part somewhere.

use uuid::Uuid;

use super::{Backoff, Verdict, judge};
use crate::event::{Metadata, Recorded};
use crate::names::{Checkpoint, Position, StreamName, Version};

const LENGTH: u64 = 6;

/// A log's events, of which those behind `fork` are of the timeline with this number.
fn timeline(fork: u64, number: u128) -> Vec<Recorded<()>> {
    let id = |position: u64| match position {
        0 => Uuid::nil(),
        shared if shared <= fork => Uuid::from_u128(u128::from(shared)),
        own => Uuid::from_u128(number * 1_000 + u128::from(own)),
    };
    (1..=LENGTH)
        .map(|position| Recorded {
            position: Position::new(position),
            stream: StreamName::of("stream", 1),
            version: Version::new(position),
            id: id(position),
            previous_id: id(position - 1),
            event: (),
            metadata: Metadata::default(),
            recorded_at: jiff::Timestamp::UNIX_EPOCH,
        })
        .collect()
}

/// The checkpoints of whoever follows it: before the first event, and after each.
fn checkpoints(timeline: &[Recorded<()>]) -> Vec<Checkpoint> {
    std::iter::once(Checkpoint::START)
        .chain(timeline.iter().map(Recorded::checkpoint))
        .collect()
}

#[test]
fn on_one_timeline_everything_is_a_duplicate_the_next_one_or_behind_a_gap() {
    let events = timeline(LENGTH, 1);
    for (applied, checkpoint) in checkpoints(&events).into_iter().enumerate() {
        for (index, event) in events.iter().enumerate() {
            let expected = match index {
                index if index < applied => Verdict::Duplicate,
                index if index == applied => Verdict::Next,
                _ => Verdict::Gap,
            };
            assert_eq!(
                judge(checkpoint, event),
                expected,
                "{applied} applied, event {}",
                index + 1
            );
        }
    }
}

#[test]
fn nothing_of_another_timeline_is_next_for_a_checkpoint_beyond_the_fork() {
    for fork in 0..LENGTH {
        let (ours, theirs) = (timeline(fork, 1), timeline(fork, 2));
        for checkpoint in checkpoints(&ours) {
            for event in &theirs {
                let verdict = judge(checkpoint, event);
                let shared = event.position.get() <= fork;
                if checkpoint.position.get() <= fork {
                    // At or before the fork both timelines go on from here: only the log can tell.
                    let own = &ours[event.position.get() as usize - 1];
                    assert_eq!(verdict, judge(checkpoint, own));
                } else {
                    assert_ne!(
                        verdict,
                        Verdict::Next,
                        "fork {fork}, {checkpoint:?}, {}",
                        event.position
                    );
                    let beside = event.position.get().abs_diff(checkpoint.position.get());
                    let noticed = !shared && (event.position >= checkpoint.position) && beside <= 1;
                    assert_eq!(verdict == Verdict::Mismatch, noticed, "fork {fork}, {}", event.position);
                }
            }
        }
    }
}

#[test]
fn the_very_first_event_names_nothing_before_it() {
    let events = timeline(LENGTH, 1);
    assert_eq!(judge(Checkpoint::START, &events[0]), Verdict::Next);
    let strange = Recorded {
        previous_id: Uuid::from_u128(7),
        ..events[0].clone()
    };
    assert_eq!(judge(Checkpoint::START, &strange), Verdict::Mismatch);
    let nowhere = Recorded {
        position: Position::START,
        ..events[0].clone()
    };
    assert_eq!(judge(Checkpoint::START, &nowhere), Verdict::Mismatch);
    assert_eq!(judge(events[3].checkpoint(), &nowhere), Verdict::Duplicate);
    let far = Recorded {
        position: Position::new(u64::MAX),
        ..events[0].clone()
    };
    assert_eq!(judge(events[3].checkpoint(), &far), Verdict::Gap);
}

#[test]
fn delays_grow_from_the_least_to_the_most_with_jitter_and_begin_anew() {
    use std::time::Duration;
    let mut backoff = Backoff::default();
    for step in [200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000] {
        let delay = backoff.next_delay();
        let step = Duration::from_millis(step);
        assert!(delay >= step / 2 && delay <= step, "{delay:?} of {step:?}");
    }
    backoff.reset();
    assert!(backoff.next_delay() <= Duration::from_millis(200));
}
