//! Messages in flight: sent one after the other, confirmed whenever the broker likes.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use callboard::Position;
use futures::FutureExt;
use lapin::options::BasicPublishOptions;
use lapin::types::ShortString;
use lapin::{Channel, Confirmation};
use tokio::time::Instant;
use uuid::Uuid;

use crate::message::Message;
use crate::relay::error::RelayError;

type Confirm = Pin<Box<dyn Future<Output = Result<Confirmation, lapin::Error>> + Send>>;

/// The messages in flight on one channel, in the order of their positions.
pub(super) struct Window {
    channel: Arc<Channel>,
    exchange: ShortString,
    in_flight: VecDeque<InFlight>,
    bytes: usize,
    /// Everything up to here is confirmed.
    confirmed: Position,
}

struct InFlight {
    position: Position,
    bytes: usize,
    sent: Instant,
    confirm: Confirm,
}

/// What was confirmed at once.
#[derive(Default)]
pub(super) struct Confirmed {
    pub(super) events: u64,
    /// The ids of messages that the broker returned, because no queue wants them.
    pub(super) returned: Vec<Option<Uuid>>,
}

impl Window {
    pub(super) fn new(channel: Channel, exchange: ShortString, published: Position) -> Self {
        Self {
            channel: Arc::new(channel),
            exchange,
            in_flight: VecDeque::new(),
            bytes: 0,
            confirmed: published,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.in_flight.len()
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

    /// Sends the message of the next position; waits for nothing.
    pub(super) fn send(&mut self, position: Position, message: Message) -> Result<(), RelayError> {
        let Message {
            routing_key,
            properties,
            body,
        } = message;
        let (channel, exchange, bytes) = (self.channel.clone(), self.exchange.clone(), body.get().len());
        let mut confirm: Confirm = Box::pin(async move {
            let options = BasicPublishOptions {
                mandatory: true,
                ..Default::default()
            };
            let body = body.get().as_bytes();
            channel
                .basic_publish(exchange, routing_key, options, body, properties)
                .await?
                .await
        });
        // The first poll numbers the message and queues its frames; so the order of these calls is
        // the order on the wire.
        if let Some(confirmed) = confirm.as_mut().now_or_never() {
            // At once, it can only be refused.
            confirmed.map_err(|error| RelayError::Lost(error.into()))?;
            return Err(RelayError::NotTaken { position });
        }
        self.bytes += bytes;
        self.in_flight.push_back(InFlight {
            position,
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
                self.confirmed = oldest.position;
                self.bytes -= oldest.bytes;
                self.in_flight.pop_front();
                done.events += 1;
                // It may have come with another message's confirm: only its own id says which it is.
                if let Some(returned) = confirmation.take_message() {
                    let id = returned.properties.message_id().as_ref();
                    done.returned.push(id.and_then(|id| id.as_str().parse().ok()));
                }
            }
            if done.events > 0 {
                Poll::Ready(Ok(std::mem::take(&mut done)))
            } else {
                Poll::Pending
            }
        })
        .await
    }
}
