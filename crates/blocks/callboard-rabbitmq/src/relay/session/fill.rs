//! Sends what waits: every event in a frame, and in a message of its own.

use std::time::Duration;

use crate::RelayConfig;
use crate::message::Frame;
use crate::message::frame::{FRAME_MAX_BYTES, FRAME_MAX_EVENTS, Framing};
use crate::relay::error::RelayError;
use crate::relay::session::Session;
use crate::relay::window::{Body, Completes, Outgoing};
use callboard::log::LogReader;
use callboard::relay::RelayStore;
use tokio::time::Instant;

impl<R: LogReader, S: RelayStore> Session<'_, R, S> {
    /// Sends as many as the window has room for. What waits goes together.
    pub(super) fn fill(&mut self) -> Result<(), RelayError> {
        let Some(first) = self.backlog.peek().map(|event| event.position) else {
            return Ok(());
        };
        if self.room() == 0 {
            return Ok(());
        }
        let log = self.relay.log;
        let span = tracing::info_span!(
            "publish",
            log,
            from = %first,
            to = tracing::field::Empty,
            events = tracing::field::Empty,
            frames = tracing::field::Empty,
        );
        let _entered = span.enter();
        let (mut events, mut frames, mut largest) = (0, 0, 0);
        while let most @ 1.. = self.room()
            && let Some(frame) = self.take_frame(most)?
        {
            span.record("to", tracing::field::display(frame.last));
            (events, frames) = (events + frame.events(), frames + 1);
            largest = frame.events().max(largest);
            self.send(frame)?;
        }
        self.frame_from = Instant::now() + apart(largest, &self.relay.config);
        span.record("events", events).record("frames", frames);
        tracing::debug!("sent");
        metrics::counter!("callboard_relay_published_total", "log" => log).increment(events);
        metrics::counter!("callboard_relay_messages_total", "log" => log, "kind" => "frame").increment(frames);
        self.relay.shared.status.send_modify(|status| {
            status.publishes += events;
            status.frames += frames;
        });
        Ok(())
    }

    /// The most events of the next frame; 0 while none may be sent.
    fn room(&self) -> usize {
        let config = &self.relay.config;
        let (events, bytes) = self
            .outsiders
            .as_ref()
            .map_or((0, 0), |outsiders| (outsiders.events(), outsiders.bytes()));
        if self.blocked || self.window.bytes().max(bytes) >= config.window_bytes {
            return 0;
        }
        let in_flight = InFlight {
            frames: self.window.events(),
            all: self.window.events().max(events),
            lately: Instant::now() < self.frame_from,
        };
        let waiting = Waiting {
            events: self.backlog.len(),
            bytes: self.backlog.bytes(),
        };
        next_frame(waiting, in_flight, config.window)
    }

    /// When to send what waits only because a frame was sent a moment ago; `None` when it waits for something else.
    pub(super) fn frame_at(&self) -> Option<Instant> {
        let waits = self.backlog.len() > 0 && self.window.is_empty() && !self.blocked && self.draining.is_none();
        (waits && Instant::now() < self.frame_from).then_some(self.frame_from)
    }

    /// Sends the events' own messages that may be sent.
    pub(super) fn fill_outsiders(&mut self) -> Result<(), RelayError> {
        let Some(outsiders) = self.outsiders.as_mut().filter(|_| !self.blocked) else {
            return Ok(());
        };
        outsiders.send()?;
        let messages = outsiders.take_published();
        if messages == 0 {
            return Ok(());
        }
        self.relay
            .shared
            .status
            .send_modify(|status| status.event_messages += messages);
        metrics::counter!("callboard_relay_messages_total", "log" => self.relay.log, "kind" => "event")
            .increment(messages);
        Ok(())
    }

    /// Takes the next frame's events out of the backlog.
    fn take_frame(&mut self, most: usize) -> Result<Option<Frame>, RelayError> {
        let mut framing = Framing::new(self.relay.log);
        while framing.len() < most
            && let Some(event) = self.backlog.peek()
        {
            if !framing.push(event)? {
                break;
            }
            if let Some(outsiders) = &mut self.outsiders {
                outsiders.push(event.clone());
            }
            self.backlog.advance();
        }
        Ok(framing.finish()?)
    }

    fn send(&mut self, frame: Frame) -> Result<(), RelayError> {
        let completes = Completes {
            events: usize::try_from(frame.events()).expect("a frame is small"),
            position: frame.last,
        };
        self.window.send(Outgoing {
            exchange: self.frames.clone(),
            routing_key: frame.routing_key,
            mandatory: true,
            properties: frame.properties,
            body: Body::Frame(frame.body),
            position: frame.first,
            completes,
        })
    }
}

/// A frame of so many events tells that they come by the thousand a second.
const MANY: u64 = 8;

/// How far behind a frame of so many events the next one is that isn't full.
fn apart(events: u64, config: &RelayConfig) -> Duration {
    if events < MANY {
        config.frames_apart
    } else {
        config.busy_frames_apart
    }
}

/// What waits to be sent.
#[derive(Clone, Copy)]
struct Waiting {
    events: usize,
    /// Of their data.
    bytes: usize,
}

impl Waiting {
    /// So many bytes each event has around its data at the least.
    const AROUND: usize = 300;

    /// Whether it fills a frame by its bytes.
    fn fills_one(self) -> bool {
        self.bytes + self.events * Self::AROUND >= FRAME_MAX_BYTES
    }
}

/// How many events are on their way.
#[derive(Clone, Copy)]
struct InFlight {
    /// In frames.
    frames: usize,
    /// In whichever form more of them are.
    all: usize,
    /// Whether a frame was sent a moment ago, confirmed or not.
    lately: bool,
}

/// How many events the next frame may have: all that wait, as far as a frame goes. None while those
/// don't all fit into the window: filled up with what was just confirmed, frames would be of one event.
///
/// A frame that isn't full waits while another one is in flight, and goes with its confirm (as small segments
/// do by Nagle's algorithm, RFC 896), but not sooner than [`apart`] says: a frame of one event is as dear as one of
/// twenty, to the broker and to each of its subscribers. An event that comes alone still goes at once.
fn next_frame(waiting: Waiting, in_flight: InFlight, window: usize) -> usize {
    let most = FRAME_MAX_EVENTS.min(window);
    let next = waiting.events.min(most);
    let goes_now = waiting.fills_one() || next == most || (in_flight.frames == 0 && !in_flight.lately);
    if goes_now && in_flight.all + next <= window {
        next
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::{InFlight, MANY, Waiting, apart, next_frame};
    use crate::RelayConfig;

    fn small(events: usize) -> Waiting {
        Waiting { events, bytes: 0 }
    }

    fn frames(events: usize) -> InFlight {
        InFlight {
            frames: events,
            all: events,
            lately: false,
        }
    }

    #[test]
    fn what_waits_goes_together_as_far_as_the_window_has_room() {
        assert_eq!(next_frame(small(0), frames(0), 1_024), 0);
        assert_eq!(next_frame(small(10), frames(0), 1_024), 10);
        assert_eq!(next_frame(small(5_000), frames(768), 1_024), 256);
        let cut = next_frame(small(5_000), frames(769), 1_024);
        assert_eq!(cut, 0, "not cut to what has just been confirmed");
        let small = next_frame(small(5_000), frames(0), 3);
        assert_eq!(small, 3, "a small window is no reason to stand still");
    }

    #[test]
    fn an_event_that_comes_alone_goes_at_once_and_those_behind_it_together_with_its_confirm() {
        assert_eq!(next_frame(small(1), frames(0), 1_024), 1);
        assert_eq!(next_frame(small(1), frames(1), 1_024), 0);
        assert_eq!(next_frame(small(200), frames(1), 1_024), 0);
        assert_eq!(
            next_frame(small(256), frames(1), 1_024),
            256,
            "a full one gains nothing by waiting"
        );
        // Events' own messages are no reason to wait.
        let outsiders = InFlight { all: 500, ..frames(0) };
        assert_eq!(next_frame(small(1), outsiders, 1_024), 1);
    }

    #[test]
    fn behind_a_frame_that_has_just_gone_only_a_full_one_goes() {
        let lately = InFlight {
            lately: true,
            ..frames(0)
        };
        assert_eq!(next_frame(small(200), lately, 1_024), 0);
        assert_eq!(next_frame(small(256), lately, 1_024), 256);
        let large = |bytes| Waiting { events: 2, bytes };
        assert_eq!(next_frame(large(60_000), lately, 1_024), 0);
        assert_eq!(next_frame(large(65_000), lately, 1_024), 2);
    }

    #[test]
    fn frames_are_further_apart_where_many_events_come() {
        let config = RelayConfig::default();
        assert_eq!(apart(1, &config), config.frames_apart);
        assert_eq!(apart(MANY - 1, &config), config.frames_apart);
        assert_eq!(apart(MANY, &config), config.busy_frames_apart);
    }
}
