//! Messages of single events, for outsiders: in order, and hardly any while nobody has bound a queue.
//!
//! A message that nobody has bound costs the broker more than the whole command did. So where events
//! wait, one of a routing key asks first: it is published `mandatory`, and what comes back says that nobody
//! had bound a queue for it when the broker looked, which was after it was sent. Whoever binds later has no
//! claim to events that waited by then; those of the same key are not published, and the next one asks
//! anew. Everything else goes out, each in its place: an outsider sees the order of the log.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use callboard::{Position, RawEvent, Recorded};
use lapin::Channel;
use lapin::types::ShortString;
use tokio::time::Instant;
use uuid::Uuid;

use crate::message;
use crate::relay::error::RelayError;
use crate::relay::window::{Body, Completes, Confirmed, Outgoing, Window};

/// What is known of who wants a kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    /// Somebody had bound a queue for the last one.
    Yes,
    /// Nobody had, when everything up to here waited already.
    No(Position),
    /// One is on its way to find out.
    Asked,
}

/// A kind of event: its type and schema version, which make its routing key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kind {
    event_type: Arc<str>,
    schema_version: u32,
}

impl Kind {
    fn of(event: &RawEvent) -> Self {
        Self {
            event_type: event.event_type.clone(),
            schema_version: event.schema_version,
        }
    }

    fn is_of(&self, event: &RawEvent) -> bool {
        self.schema_version == event.schema_version && self.event_type == event.event_type
    }
}

/// What is known of each kind. A log has few of them: looking at all costs less than hashing one.
#[derive(Default)]
struct Kinds(Vec<(Kind, Bound)>);

impl Kinds {
    fn get(&self, event: &RawEvent) -> Option<Bound> {
        let known = self.0.iter().find(|(kind, _)| kind.is_of(event));
        known.map(|(_, bound)| *bound)
    }

    fn insert(&mut self, kind: Kind, bound: Bound) {
        match self.0.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, known)) => *known = bound,
            None => self.0.push((kind, bound)),
        }
    }
}

/// An event that isn't settled yet, or stands behind one that isn't.
struct Waiting {
    event: Recorded,
    settled: bool,
}

/// A message in flight.
struct Sent {
    kind: Kind,
    id: Uuid,
    position: Position,
    /// It asks: everything up to here waited when it was sent.
    asks: Option<Position>,
}

/// Every event in a message of its own, as far as anybody wants it.
pub(super) struct Outsiders {
    log: &'static str,
    exchange: ShortString,
    window: Window,
    /// Gapless, from the first one that isn't settled.
    waiting: VecDeque<Waiting>,
    /// How many of them are sent or dropped: the next one is to be decided.
    decided: usize,
    sent: VecDeque<Sent>,
    kinds: Kinds,
    bytes: usize,
    settled: Position,
    /// How many messages were published.
    published: u64,
}

impl Outsiders {
    pub(super) fn new(log: &'static str, exchange: ShortString, channel: Channel, published: Position) -> Self {
        Self {
            log,
            exchange,
            window: Window::new(channel, published),
            waiting: VecDeque::new(),
            decided: 0,
            sent: VecDeque::new(),
            kinds: Kinds::default(),
            bytes: 0,
            settled: published,
            published: 0,
        }
    }

    /// Takes the next event.
    pub(super) fn push(&mut self, event: Recorded) {
        self.bytes += event.event.data.get().len();
        self.waiting.push_back(Waiting { event, settled: false });
    }

    /// Of everything up to here nothing is left to do.
    pub(super) fn settled(&self) -> Position {
        self.settled
    }

    /// How many events aren't settled.
    pub(super) fn events(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn oldest(&self) -> Option<(Position, Instant)> {
        self.window.oldest()
    }

    /// How many messages were published since it was asked last.
    pub(super) fn take_published(&mut self) -> u64 {
        std::mem::take(&mut self.published)
    }

    /// Sends what may be sent; waits for nothing.
    pub(super) fn send(&mut self) -> Result<(), RelayError> {
        while let Some(next) = self.waiting.get(self.decided) {
            let position = next.event.position;
            let alone = self.decided + 1 == self.waiting.len();
            // As long as nothing is known, somebody may have.
            match self.kinds.get(&next.event.event).unwrap_or(Bound::Yes) {
                Bound::Asked => break,
                Bound::No(waited) if position <= waited => {
                    self.waiting[self.decided].settled = true;
                    self.decided += 1;
                }
                Bound::Yes => self.publish(None, true)?,
                // Nothing would be spared: an answer that comes back costs, too.
                Bound::No(_) if alone => self.publish(None, false)?,
                Bound::No(_) => {
                    let last = self.waiting.back().map(|last| last.event.position);
                    self.kinds.insert(Kind::of(&next.event.event), Bound::Asked);
                    self.publish(last, true)?;
                }
            }
        }
        self.forget_settled();
        Ok(())
    }

    fn publish(&mut self, asks: Option<Position>, mandatory: bool) -> Result<(), RelayError> {
        let event = &self.waiting[self.decided].event;
        let (kind, id, position) = (Kind::of(&event.event), event.id, event.position);
        let message = message::encode(self.log, event)?;
        self.window.send(Outgoing {
            exchange: self.exchange.clone(),
            routing_key: message.routing_key,
            mandatory,
            properties: message.properties,
            body: Body::Event(message.body),
            position,
            completes: Completes { events: 1, position },
        })?;
        self.decided += 1;
        self.published += 1;
        self.sent.push_back(Sent {
            kind,
            id,
            position,
            asks,
        });
        Ok(())
    }

    /// Waits until something is confirmed. Never ready while nothing is in flight. Dropping the future
    /// loses nothing.
    pub(super) async fn confirmed(&mut self) -> Result<Confirmed, RelayError> {
        self.window.settle().await
    }

    /// Takes what was confirmed, and what had come back before.
    pub(super) fn take(&mut self, confirmed: &Confirmed) {
        let returned: HashSet<Uuid> = confirmed.returned.iter().filter_map(|returned| returned.id).collect();
        let count = usize::try_from(confirmed.messages)
            .unwrap_or(usize::MAX)
            .min(self.sent.len());
        for Sent {
            kind,
            id,
            position,
            asks,
        } in self.sent.drain(..count)
        {
            match (returned.contains(&id), asks) {
                (true, asks) => {
                    self.kinds.insert(kind, Bound::No(asks.unwrap_or(position)));
                }
                (false, Some(_)) => {
                    self.kinds.insert(kind, Bound::Yes);
                }
                (false, None) => {}
            }
            let place = position.get() - self.settled.next().get();
            let place = usize::try_from(place).expect("it waits until it is settled");
            self.waiting[place].settled = true;
        }
        self.forget_settled();
    }

    fn forget_settled(&mut self) {
        while self.waiting.front().is_some_and(|first| first.settled)
            && let Some(first) = self.waiting.pop_front()
        {
            self.decided -= 1;
            self.bytes -= first.event.event.data.get().len();
            self.settled = first.event.position;
        }
    }
}
