//! Lanes: the events of a stream, in order, and what becomes of one that fails.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::Failure;
use super::schedule::{Route, Schedule, State};
use crate::event_handler::{ParkLane, ToPark};
use crate::names::{Position, StreamName};
use crate::parking::Cause;

/// The events of a stream that aren't done.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) events: VecDeque<Position>,
    /// No try before.
    until: Option<Instant>,
    /// Why its first event is given up.
    given_up: Option<(Cause, String)>,
    /// It is being parked.
    parking: bool,
}

impl Schedule {
    /// Brings on what may go on in a lane: its first event, and those behind it that go into the same
    /// batch. What has to be parked is noted for [`Schedule::lane_to_park`].
    pub(super) fn bring_on(&mut self, stream: &StreamName, now: Instant) {
        let blocked = self.blocked.contains_key(stream);
        let Some(lane) = self.lanes.get_mut(stream) else { return };
        if lane.events.is_empty() {
            self.lanes.remove(stream);
            return;
        }
        if lane.given_up.is_some() || blocked {
            if !lane.parking && !self.to_park.contains(stream) {
                self.to_park.push_back(stream.clone());
            }
            return;
        }
        if lane.until.is_some_and(|until| until > now) {
            return;
        }
        lane.until = None;
        self.walk(stream, now);
    }

    fn walk(&mut self, stream: &StreamName, now: Instant) {
        let positions: Vec<Position> = self.lanes[stream].events.iter().copied().collect();
        let mut with = None;
        for (index, position) in positions.into_iter().enumerate() {
            let item = self.items.get_mut(&position).expect("a lane holds what isn't done");
            match (item.state, &item.route) {
                (State::Waiting, Route::Unfit(cause, reason)) if index == 0 => {
                    let (cause, reason) = (*cause, reason.clone());
                    self.give_up(stream, cause, reason, now);
                    return;
                }
                (State::Waiting, Route::Alone) if index == 0 => {
                    item.state = State::Ready;
                    self.ready.push_back(position);
                    return;
                }
                (State::Waiting, Route::Batch(key)) if index == 0 || (with.as_ref() == Some(key) && !item.apart) => {
                    let (key, apart) = (key.clone(), item.apart);
                    item.state = State::Queued;
                    self.enqueue(position, key.clone(), now);
                    if apart {
                        return;
                    }
                    with = Some(key);
                }
                (State::Queued | State::Running, Route::Batch(key)) if !item.apart => with = Some(key.clone()),
                _ => return,
            }
        }
    }

    fn give_up(&mut self, stream: &StreamName, cause: Cause, reason: String, now: Instant) {
        if let Some(lane) = self.lanes.get_mut(stream) {
            lane.given_up = Some((cause, reason));
        }
        self.bring_on(stream, now);
    }

    /// An event is done.
    pub(super) fn done(&mut self, position: Position) {
        let Some(item) = self.items.remove(&position) else {
            return;
        };
        if let Some(lane) = self.lanes.get_mut(&item.stream) {
            lane.events.retain(|event| *event != position);
        }
    }

    /// An event waits in its lane again.
    pub(super) fn back_into_lane(&mut self, position: Position) {
        let Some(item) = self.items.get_mut(&position) else {
            return;
        };
        item.state = State::Waiting;
    }

    /// A try of an event failed, among so many: it is tried again later, or apart from the others of
    /// its batch, or given up.
    pub(super) fn failed(&mut self, position: Position, failure: Failure, among: usize, now: Instant, jitter: f64) {
        let retry = self.config.retry.clone();
        let item = self.items.get_mut(&position).expect("what was tried isn't done");
        let stream = item.stream.clone();
        item.state = State::Waiting;
        item.tries += 1;
        let (tries, since) = (item.tries, item.first_try.map_or(now, |since| since));
        let exhausted = failure.permanent || tries >= retry.tries || now - since >= retry.within;
        let innocent = failure.of_batch && among > 1;
        item.apart |= exhausted && innocent;
        self.unqueue_behind(&stream, position);
        if exhausted && !innocent {
            self.give_up(&stream, Cause::Failed, failure.reason, now);
        } else if !exhausted && let Some(lane) = self.lanes.get_mut(&stream) {
            let until = now + retry.delay(tries, failure.retry_after, jitter);
            lane.until = Some(until);
            self.backing_off.insert((until, stream));
        }
    }

    /// What stands behind an event in its lane waits for it again.
    fn unqueue_behind(&mut self, stream: &StreamName, position: Position) {
        let behind: Vec<Position> = self.lanes[stream]
            .events
            .iter()
            .copied()
            .filter(|event| *event > position)
            .collect();
        for event in behind {
            let item = self.items.get_mut(&event).expect("a lane holds what isn't done");
            if item.state != State::Queued {
                continue;
            }
            item.state = State::Waiting;
            if let Route::Batch(key) = &item.route
                && let Some(queue) = self.queues.get_mut(key)
            {
                queue.waiting.retain(|waiting| *waiting != event);
            }
        }
    }

    /// The next lane with something to park: what was given up, and what stands behind it.
    pub(super) fn next_to_park(&mut self) -> Option<ParkLane> {
        let stream = self.to_park.pop_front()?;
        let lane = self.lanes.get_mut(&stream)?;
        lane.parking = true;
        let first = lane.given_up.clone();
        let behind = || (Cause::Behind, "waits behind an event of its stream".to_owned());
        let events = lane.events.iter().enumerate().map(|(index, position)| {
            let given_up = first.clone().filter(|_| index == 0);
            let unfit = || match &self.items.get(position)?.route {
                Route::Unfit(cause, reason) => Some((*cause, reason.clone())),
                _ => None,
            };
            let (cause, reason) = given_up.or_else(unfit).unwrap_or_else(behind);
            ToPark {
                position: *position,
                cause,
                reason,
            }
        });
        let events = events.collect();
        Some(ParkLane { stream, events })
    }

    /// These events of a stream are parked.
    pub(super) fn parked(&mut self, parked: &ParkLane, now: Instant) {
        for event in &parked.events {
            self.done(event.position);
            self.blocked.insert(parked.stream.clone(), event.position);
        }
        self.parking_ended(&parked.stream, true, now);
    }

    /// No event of this stream is parked any more: it goes on.
    pub(super) fn freed(&mut self, stream: &StreamName, now: Instant) {
        self.blocked.remove(stream);
        self.parking_ended(stream, false, now);
    }

    /// The stream couldn't be parked: it is to be tried again.
    pub(super) fn not_parked(&mut self, stream: &StreamName, now: Instant) {
        self.parking_ended(stream, false, now);
    }

    fn parking_ended(&mut self, stream: &StreamName, parked: bool, now: Instant) {
        if let Some(lane) = self.lanes.get_mut(stream) {
            lane.parking = false;
            if parked {
                lane.given_up = None;
            }
        }
        self.bring_on(stream, now);
    }
}
