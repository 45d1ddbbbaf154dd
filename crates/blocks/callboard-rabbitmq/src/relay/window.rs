//! Messages in flight: sent one after the other, confirmed whenever the broker likes.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use callboard::{Json, Position};
use futures::FutureExt;
use lapin::options::BasicPublishOptions;
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation};
use tokio::time::Instant;
use uuid::Uuid;

use crate::message::frame;
use crate::relay::error::RelayError;

type Confirm = Pin<Box<dyn Future<Output = Result<Confirmation, lapin::Error>> + Send>>;

/// The messages in flight on one channel, in the order in which they were sent.
pub(super) struct Window {
    channel: Arc<Channel>,
    in_flight: VecDeque<InFlight>,
    events: usize,
    bytes: usize,
    /// Everything up to here is confirmed.
    confirmed: Position,
}

/// A message to be sent.
pub(super) struct Outgoing {
    pub(super) exchange: ShortString,
    pub(super) routing_key: ShortString,
    /// Whether it comes back when no queue wants it.
    pub(super) mandatory: bool,
    pub(super) properties: BasicProperties,
    pub(super) body: Body,
    /// Where its first event stands.
    pub(super) position: Position,
    pub(super) completes: Completes,
}

/// The events that a message is of: so many, up to a position.
#[derive(Debug, Clone, Copy)]
pub(super) struct Completes {
    pub(super) events: usize,
    pub(super) position: Position,
}

pub(super) enum Body {
    Event(Json),
    Frame(Vec<u8>),
}

impl Body {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Event(data) => data.get().as_bytes(),
            Self::Frame(body) => body,
        }
    }
}

struct InFlight {
    position: Position,
    completes: Completes,
    bytes: usize,
    sent: Instant,
    confirm: Confirm,
}

/// What was confirmed at once.
#[derive(Default)]
pub(super) struct Confirmed {
    /// How many messages, from the oldest on.
    pub(super) messages: u64,
    /// How many events they are of.
    pub(super) events: u64,
    /// The messages that the broker returned, because no queue wants them.
    pub(super) returned: Vec<Returned>,
}

/// A message that came back, by its own word.
pub(super) struct Returned {
    pub(super) id: Option<Uuid>,
    pub(super) events: u64,
}

impl Returned {
    fn of(properties: &BasicProperties) -> Self {
        let id = properties.message_id().as_ref();
        Self {
            id: id.and_then(|id| id.as_str().parse().ok()),
            events: frame::count(properties).unwrap_or(1),
        }
    }
}

impl Window {
    pub(super) fn new(channel: Channel, published: Position) -> Self {
        Self {
            channel: Arc::new(channel),
            in_flight: VecDeque::new(),
            events: 0,
            bytes: 0,
            confirmed: published,
        }
    }

    /// How many events are in flight: sent, and not yet confirmed.
    pub(super) fn events(&self) -> usize {
        self.events
    }

    pub(super) fn is_empty(&self) -> bool {
        self.in_flight.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Everything up to here is confirmed.
    pub(super) fn confirmed(&self) -> Position {
        self.confirmed
    }

    /// The one that has waited longest, and since when.
    pub(super) fn oldest(&self) -> Option<(Position, Instant)> {
        self.in_flight.front().map(|oldest| (oldest.position, oldest.sent))
    }

    /// Sends the next message; waits for nothing.
    pub(super) fn send(&mut self, outgoing: Outgoing) -> Result<(), RelayError> {
        let Outgoing {
            exchange,
            routing_key,
            mandatory,
            properties,
            body,
            position,
            completes,
        } = outgoing;
        let (channel, bytes) = (self.channel.clone(), body.bytes().len());
        let mut confirm: Confirm = Box::pin(async move {
            let options = BasicPublishOptions {
                mandatory,
                ..Default::default()
            };
            channel
                .basic_publish(exchange, routing_key, options, body.bytes(), properties)
                .await?
                .await
        });
        // The first poll numbers the message and queues its frames; so the order of these calls is
        // the order on the wire.
        if let Some(confirmation) = confirm.as_mut().now_or_never() {
            // A thread that had to wait for its turn finds the broker's answer already there.
            confirm = Box::pin(std::future::ready(confirmation));
        }
        self.bytes += bytes;
        self.events += completes.events;
        self.in_flight.push_back(InFlight {
            position,
            completes,
            bytes,
            sent: Instant::now(),
            confirm,
        });
        Ok(())
    }

    /// Waits until the oldest is confirmed, and takes all behind it that are confirmed as well.
    /// Never ready while nothing is in flight. Dropping the future loses nothing.
    pub(super) async fn settle(&mut self) -> Result<Confirmed, RelayError> {
        let mut done = Confirmed::default();
        poll_fn(|cx| {
            while let Some(oldest) = self.in_flight.front_mut() {
                let Poll::Ready(confirmation) = oldest.confirm.as_mut().poll(cx) else {
                    break;
                };
                let confirmation = confirmation.map_err(|error| RelayError::Lost(error.into()))?;
                if !confirmation.is_ack() {
                    return Poll::Ready(Err(RelayError::NotTaken {
                        position: oldest.position,
                    }));
                }
                let Completes { events, position } = oldest.completes;
                self.confirmed = position;
                self.events -= events;
                done.events += events as u64;
                self.bytes -= oldest.bytes;
                self.in_flight.pop_front();
                done.messages += 1;
                // It may have come with another message's confirm: only it itself says which it is.
                if let Some(returned) = confirmation.take_message() {
                    done.returned.push(Returned::of(&returned.properties));
                }
            }
            if done.messages > 0 {
                Poll::Ready(Ok(std::mem::take(&mut done)))
            } else {
                Poll::Pending
            }
        })
        .await
    }
}
