//! Sends what waits: every event in a frame, and in a message of its own.

use callboard::log::LogReader;
use callboard::relay::RelayStore;
use lapin::types::ShortString;

use crate::message::frame::{FRAME_MAX_EVENTS, Framing};
use crate::message::{self, Frame, Message};
use crate::relay::error::RelayError;
use crate::relay::session::Session;
use crate::relay::window::{Body, Completes, Outgoing};

/// Where a session publishes.
pub(super) struct Exchanges {
    pub(super) frames: ShortString,
    pub(super) events: ShortString,
}

/// A frame, and the messages of the events in it, if they are published.
struct Batch {
    frame: Frame,
    messages: Vec<Message>,
}

impl<R: LogReader, S: RelayStore> Session<'_, R, S> {
    /// Sends as many as the window has room for. What waits goes together; nothing waits for company.
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
        let (mut events, mut frames, mut messages) = (0, 0, 0);
        while let most @ 1.. = self.room()
            && let Some(batch) = self.take_batch(most)?
        {
            span.record("to", tracing::field::display(batch.frame.last));
            (events, frames) = (events + batch.frame.events(), frames + 1);
            messages += batch.messages.len() as u64;
            self.send(batch)?;
        }
        span.record("events", events).record("frames", frames);
        tracing::debug!("sent");
        metrics::counter!("callboard_relay_published_total", "log" => log).increment(events);
        metrics::counter!("callboard_relay_messages_total", "log" => log, "kind" => "frame").increment(frames);
        metrics::counter!("callboard_relay_messages_total", "log" => log, "kind" => "event").increment(messages);
        self.relay.shared.status.send_modify(|status| {
            status.publishes += events;
            status.frames += frames;
        });
        Ok(())
    }

    /// The most events of the next frame; 0 while none may be sent.
    fn room(&self) -> usize {
        let config = &self.relay.config;
        if self.blocked || self.window.bytes() >= config.window_bytes {
            return 0;
        }
        next_frame(self.backlog.len(), self.window.events(), config.window)
    }

    /// Takes the next frame's events out of the backlog.
    fn take_batch(&mut self, most: usize) -> Result<Option<Batch>, RelayError> {
        let log = self.relay.log;
        let (mut framing, mut messages) = (Framing::new(log), Vec::new());
        while framing.len() < most
            && let Some(event) = self.backlog.peek()
        {
            if !framing.push(event)? {
                break;
            }
            if self.relay.config.event_messages {
                messages.push(message::encode(log, event)?);
            }
            self.backlog.advance();
        }
        Ok(framing.finish()?.map(|frame| Batch { frame, messages }))
    }

    /// The frame goes first, for our own subscribers wait for it; an event is complete when both are
    /// confirmed.
    fn send(&mut self, Batch { frame, messages }: Batch) -> Result<(), RelayError> {
        let whole = Completes {
            events: usize::try_from(frame.events()).expect("a frame is small"),
            position: frame.last,
        };
        let mut position = frame.first;
        self.window.send(Outgoing {
            exchange: self.exchanges.frames.clone(),
            routing_key: frame.routing_key,
            mandatory: true,
            properties: frame.properties,
            body: Body::Frame(frame.body),
            position,
            completes: messages.is_empty().then_some(whole),
        })?;
        for message in messages {
            let events = 1;
            self.window.send(Outgoing {
                exchange: self.exchanges.events.clone(),
                routing_key: message.routing_key,
                // That nobody has bound a queue there is nothing to speak of, and returning costs.
                mandatory: false,
                properties: message.properties,
                body: Body::Event(message.body),
                position,
                completes: Some(Completes { events, position }),
            })?;
            position = position.next();
        }
        Ok(())
    }
}

/// How many events the next frame may have: all that wait, as far as a frame goes. None while those
/// don't all fit into the window: filled up with what was just confirmed, frames would be of one event.
fn next_frame(waiting: usize, in_flight: usize, window: usize) -> usize {
    let next = waiting.min(FRAME_MAX_EVENTS).min(window);
    if in_flight + next <= window { next } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::next_frame;

    #[test]
    fn what_waits_goes_together_and_waits_only_for_the_window() {
        assert_eq!(next_frame(0, 0, 1_024), 0);
        assert_eq!(next_frame(1, 1_023, 1_024), 1, "one that is alone waits for none");
        assert_eq!(next_frame(10, 0, 1_024), 10);
        assert_eq!(next_frame(5_000, 768, 1_024), 256);
        assert_eq!(
            next_frame(5_000, 769, 1_024),
            0,
            "not cut to what has just been confirmed"
        );
        assert_eq!(next_frame(2, 1_023, 1_024), 0);
        assert_eq!(next_frame(5_000, 0, 3), 3, "a small window is no reason to stand still");
    }
}
