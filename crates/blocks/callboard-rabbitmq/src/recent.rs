//! The events that the writer in this process has just recorded, for its subscribers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use callboard::Recorded;
use callboard::writer::Tap;
use lapin::BasicProperties;

use crate::message::frame;
use crate::runs::Runs;

/// The most events that are kept: a frame comes back from the broker within a few hundredths of a second.
const MAX_EVENTS: usize = 4_096;
/// The most bytes of event data that are kept.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The last events of one log that the writer in this process has recorded or met. Cheap to clone.
///
/// A tap of the writer. A feed that is given one takes a frame's events from here where they are, instead of
/// decoding what this very process has encoded a moment ago. That a frame is of these events its headers say:
/// the ids of the last one and of the one before the first, for an id is never given twice, and each event names
/// the one before it. Behind a gap or a fork, what was known before is forgotten.
#[derive(Debug, Clone, Default)]
pub struct Recent(Arc<Mutex<Runs>>);

impl Recent {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The events that a frame of `log` holds, if all of them are known.
    pub(crate) fn events_of(&self, log: &str, properties: &BasicProperties) -> Option<Vec<Recorded>> {
        let frame = frame::range(log, properties)?;
        let runs = self.lock();
        let oldest = runs.iter().next()?.position.get();
        let skipped = usize::try_from(frame.first.checked_sub(oldest)?).ok()?;
        let count = usize::try_from(frame.count).ok()?;
        let taken: Vec<_> = runs.iter().skip(skipped).take(count).cloned().collect();
        let is_it = taken.first()?.previous_id == frame.previous_id && taken.last()?.id == frame.last_id;
        is_it.then_some(taken)
    }

    fn push(&self, run: &Arc<[Recorded]>) {
        let mut runs = self.lock();
        let Some(first) = run.first() else { return };
        if runs.last().is_some_and(|last| last.id != first.previous_id) {
            *runs = Runs::default();
        }
        while !runs.fit_with(run, (MAX_EVENTS, MAX_BYTES)) {
            // Too large by itself: whoever wants it decodes it.
            if runs.pop().is_none() {
                return;
            }
        }
        runs.push(run.clone());
    }

    fn lock(&self) -> MutexGuard<'_, Runs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tap for Recent {
    fn recorded(&self, events: &Arc<[Recorded]>) {
        self.push(events);
    }

    fn followed(&self, events: &Arc<[Recorded]>) {
        self.push(events);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use callboard::{Metadata, Position, RawEvent, StreamName, Version};
    use serde_json::value::RawValue;
    use uuid::Uuid;

    use super::*;

    /// A made-up log's events at these positions.
    pub(crate) fn run(positions: std::ops::RangeInclusive<u64>) -> Arc<[Recorded]> {
        let event = |position: u64| Recorded {
            position: Position::new(position),
            stream: StreamName::of("thing", 1),
            version: Version::new(position),
            id: Uuid::from_u128(position.into()),
            previous_id: Uuid::from_u128(position.saturating_sub(1).into()),
            event: RawEvent {
                event_type: "Done".into(),
                schema_version: 1,
                data: RawValue::NULL.to_owned().into(),
            },
            metadata: Metadata::default(),
            recorded_at: jiff::Timestamp::UNIX_EPOCH,
        };
        positions.map(event).collect()
    }

    fn recent(runs: &[std::ops::RangeInclusive<u64>]) -> Recent {
        let recent = Recent::new();
        runs.iter()
            .for_each(|positions| recent.recorded(&run(positions.clone())));
        recent
    }

    /// What is found for the frame of these events.
    fn found(recent: &Recent, events: &[Recorded]) -> Option<Vec<Recorded>> {
        let frames = frame::encode("things", events).expect("a frame can be made");
        recent.events_of("things", &frames[0].properties)
    }

    #[test]
    fn a_frame_is_found_across_runs_where_all_of_its_events_are_known() {
        let recent = recent(&[2..=4, 5..=5, 6..=9]);
        for positions in [2..=9, 2..=2, 3..=7, 5..=5, 6..=9, 9..=9] {
            let events = run(positions.clone());
            assert_eq!(found(&recent, &events).as_deref(), Some(&events[..]), "{positions:?}");
        }
        for positions in [1..=3, 1..=1, 8..=10, 10..=10] {
            assert_eq!(found(&recent, &run(positions.clone())), None, "{positions:?}");
        }
        assert_eq!(found(&Recent::new(), &run(1..=1)), None);
    }

    #[test]
    fn a_frame_of_another_timeline_or_log_is_not_found() {
        let recent = recent(&[1..=9]);
        let mut ends_otherwise = run(3..=5).to_vec();
        ends_otherwise[2].id = Uuid::from_u128(77);
        let mut begins_otherwise = run(3..=5).to_vec();
        begins_otherwise[0].previous_id = Uuid::from_u128(77);
        assert_eq!(found(&recent, &ends_otherwise), None);
        assert_eq!(found(&recent, &begins_otherwise), None);
        let frames = frame::encode("others", &run(3..=5)).expect("a frame can be made");
        assert_eq!(recent.events_of("things", &frames[0].properties), None);
        assert_eq!(recent.events_of("things", &BasicProperties::default()), None);
    }

    #[test]
    fn behind_a_gap_or_a_fork_nothing_from_before_is_known() {
        let gap = recent(&[1..=3, 5..=6]);
        assert_eq!(found(&gap, &run(2..=3)), None);
        assert!(found(&gap, &run(5..=6)).is_some());

        let fork = recent(&[1..=3]);
        let mut other = run(4..=4).to_vec();
        other[0].previous_id = Uuid::from_u128(77);
        fork.recorded(&other.into());
        assert_eq!(found(&fork, &run(2..=3)), None);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let recent = recent(&[1..=MAX_EVENTS as u64, 4_097..=4_098]);
        assert_eq!(found(&recent, &run(1..=2)), None);
        assert!(found(&recent, &run(4_097..=4_098)).is_some());

        let large: Vec<Recorded> = run(4_099..=4_100)
            .iter()
            .map(|event| {
                let text = format!("\"{}\"", "x".repeat(MAX_BYTES / 2));
                let data = RawValue::from_string(text).expect("it is JSON").into();
                let event_type = event.event.event_type.clone();
                event.with(RawEvent {
                    event_type,
                    schema_version: 1,
                    data,
                })
            })
            .collect();
        for one in large.chunks(1) {
            recent.followed(&one.into());
        }
        assert_eq!(found(&recent, &run(4_097..=4_098)), None);
        assert_eq!(found(&recent, &large[..1]), None);
        assert!(found(&recent, &large[1..]).is_some());
    }
}
