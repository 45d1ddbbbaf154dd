//! A subscriber's queue as a feed.

use std::error::Error as StdError;

use callboard::subscription::{BATCH_MAX_EVENTS, Connect, Delivery, Feed, FeedError, Foreign};
use futures::{FutureExt, StreamExt};
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use tracing::Instrument;

use crate::broker::{Broker, Connection, Link, within};
use crate::dead_letters;
use crate::error::BrokerError;
use crate::message;
use crate::recent::Recent;
use crate::strikes::Strikes;
use crate::topology::{Topology, delete_queue, short};

/// The most messages that a feed holds unacknowledged: 32 frames. That bounds its bytes, too: a frame has up to
/// 64 KiB, or holds one event of up to 256 KiB; so a feed holds up to 2 MiB of small events, and up to about 8 MiB
/// of the largest. At once it returns what fits into one transaction, [`BATCH_MAX_EVENTS`] events.
pub const PREFETCH: u16 = 32;

/// Connects the feed of one subscriber's queue, again and again.
pub struct QueueFeeds {
    broker: Broker,
    topology: Topology,
    log: &'static str,
    subscriber: &'static str,
    link: Link,
    recent: Option<Recent>,
    strikes: Strikes,
}

impl QueueFeeds {
    /// The feeds of a subscriber of `log`. Connects to nothing yet; must be called within a tokio
    /// runtime.
    pub fn new(broker: &Broker, topology: &Topology, log: &'static str, subscriber: &'static str) -> Self {
        let link = broker.subscriber_link(log, subscriber);
        Self {
            broker: broker.clone(),
            topology: topology.clone(),
            log,
            subscriber,
            link,
            recent: None,
            strikes: Strikes::default(),
        }
    }

    /// The same feeds beside the writer of their log, whose tap this is: what it has just recorded isn't decoded.
    #[must_use]
    pub fn beside(mut self, recent: Recent) -> Self {
        self.recent = Some(recent);
        self
    }

    fn queue(&self) -> String {
        self.topology.queue(self.log, self.subscriber)
    }

    async fn open(&mut self) -> Result<QueueFeed, BrokerError> {
        self.strikes.suspected = false;
        let connection = self.link.connect().await?;
        let channel = connection.channel().await?;
        self.topology.declare_events(&channel).await?;
        self.topology.declare_dead(&channel).await?;
        // From here on, the broker is well; what fails now is about this queue.
        match self.consume(&channel).await {
            Ok(consumer) => {
                self.strikes = Strikes::default();
                Ok(self.feed(connection, channel, consumer))
            }
            Err(error) => {
                // The link has one connection: whoever deletes the queue needs its place.
                drop((channel, connection));
                self.strike(&error).await;
                Err(error)
            }
        }
    }

    async fn consume(&self, channel: &Channel) -> Result<Consumer, BrokerError> {
        self.topology.declare_queue(channel, self.log, self.subscriber).await?;
        within(
            "setting the prefetch",
            channel.basic_qos(PREFETCH, BasicQosOptions::default()),
        )
        .await?;
        let (queue, tag) = (short(&self.queue())?, short(self.broker.application())?);
        let consumed = channel.basic_consume(queue, tag, BasicConsumeOptions::default(), FieldTable::default());
        within(&format!("consuming the queue {}", self.queue()), consumed).await
    }

    fn feed(&self, connection: Connection, channel: Channel, consumer: Consumer) -> QueueFeed {
        QueueFeed {
            queue: self.queue(),
            broker: self.broker.clone(),
            topology: self.topology.clone(),
            log: self.log,
            subscriber: self.subscriber,
            taken: Taken::default(),
            returned: Taken::default(),
            kinds: Kinds::default(),
            recent: self.recent.clone(),
            ended: None,
            consumer,
            channel,
            _connection: connection,
        }
    }

    /// A quorum queue may be down for good after a node crash, and its negative confirms hold up
    /// the relay for all. It holds nothing that the log lacks, so it is deleted; the next attempt
    /// declares it anew.
    async fn strike(&mut self, error: &BrokerError) {
        if !self.strikes.count(error) {
            return;
        }
        let queue = self.queue();
        tracing::error!(
            log = self.log,
            subscriber = self.subscriber,
            queue,
            "the queue is dead: deleting it"
        );
        // On a fresh connection: an internal error has closed the other one.
        match self.delete().await {
            Ok(()) => metrics::counter!(
                "callboard_feed_queues_deleted_total", "log" => self.log, "subscriber" => self.subscriber
            )
            .increment(1),
            Err(error) => tracing::error!(
                queue,
                error = callboard::error_chain(&error),
                "the dead queue couldn't be deleted"
            ),
        }
    }

    async fn delete(&self) -> Result<(), BrokerError> {
        let connection = self.link.connect().await?;
        delete_queue(&connection.channel().await?, &self.queue()).await
    }
}

impl Connect for QueueFeeds {
    type Feed = QueueFeed;

    async fn connect(&mut self) -> Result<QueueFeed, FeedError> {
        let queue = self.queue();
        let span = tracing::info_span!("connect", log = self.log, subscriber = self.subscriber, queue);
        metrics::counter!("callboard_feed_connects_total", "log" => self.log, "subscriber" => self.subscriber)
            .increment(1);
        self.open().instrument(span).await.map_err(|error| FeedError {
            feed: queue,
            source: error.into(),
            soon: self.strikes.suspected,
        })
    }
}

/// A consumer on a subscriber's queue. Dropping it closes its channel and connection; what isn't
/// settled is delivered again, to whoever consumes next.
pub struct QueueFeed {
    queue: String,
    broker: Broker,
    topology: Topology,
    log: &'static str,
    subscriber: &'static str,
    /// What the `next` that goes on returns; one that was dropped leaves it to the next one.
    taken: Taken,
    /// What the last `next` has returned: to be settled.
    returned: Taken,
    kinds: Kinds,
    recent: Option<Recent>,
    /// Why the deliveries ended, noticed while there were some to return.
    ended: Option<BrokerError>,
    consumer: Consumer,
    channel: Channel,
    _connection: Connection,
}

/// Messages, and what they hold.
#[derive(Default)]
struct Taken {
    messages: Vec<lapin::message::Delivery>,
    /// Until they are returned.
    events: Vec<Delivery>,
    /// For each of the events, and each message that can't be read, the message.
    sources: Vec<usize>,
}

/// Which messages have come; so it shows that the relay publishes frames, and that the queue is
/// still bound as it was before there were any.
#[derive(Default)]
struct Kinds {
    framed: bool,
    by_events: bool,
    changed_over: bool,
}

impl QueueFeed {
    fn lost(&self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> FeedError {
        FeedError {
            feed: self.queue.clone(),
            source: source.into(),
            soon: false,
        }
    }

    /// The next delivery as the consumer gives it; the end of the deliveries is a fault.
    fn delivered(
        &self,
        delivery: Option<Result<lapin::message::Delivery, lapin::Error>>,
    ) -> Result<lapin::message::Delivery, BrokerError> {
        let what = || format!("consuming the queue {}", self.queue);
        match delivery {
            Some(Ok(delivery)) => Ok(delivery),
            Some(Err(error)) => Err(BrokerError::call(what(), error)),
            None => Err(BrokerError::call(what(), "the broker cancelled the consumer")),
        }
    }

    /// Takes a message in, and its events; returns how many.
    fn take(&mut self, message: lapin::message::Delivery) -> usize {
        let Taken {
            messages,
            events: taken,
            sources,
        } = &mut self.taken;
        let (before, source) = (taken.len(), messages.len());
        let known = self.recent.as_ref();
        let known = known.and_then(|recent| recent.events_of(self.log, &message.properties));
        let (events, from) = match known {
            Some(events) => (Ok(events), "writer"),
            None => {
                let decoded = message::decode_all(self.log, &message.properties, &message.data);
                (decoded, "body")
            }
        };
        metrics::counter!(
            "callboard_feed_messages_total", "log" => self.log, "subscriber" => self.subscriber, "from" => from
        )
        .increment(1);
        self.kinds.framed |= events.is_ok() && message::frame::is_frame(&message.properties);
        self.kinds.by_events |= message.exchange.as_str() == self.topology.events();
        match events {
            Ok(events) => {
                let events = events.into_iter().map(|event| Delivery { event: Ok(event) });
                taken.extend(events);
            }
            Err(reason) => taken.push(Delivery { event: Err(reason) }),
        }
        sources.resize(taken.len(), source);
        messages.push(message);
        taken.len() - before
    }

    /// A queue from before there were frames stays bound to the events' own messages until the relay
    /// has shown that it publishes frames. From then on it gets everything twice, so it leaves them.
    async fn change_over(&mut self) -> Result<(), BrokerError> {
        let Kinds {
            framed,
            by_events,
            changed_over,
        } = self.kinds;
        if changed_over || !framed || !by_events {
            return Ok(());
        }
        self.topology
            .leave_events(&self.channel, self.log, self.subscriber)
            .await?;
        self.kinds.changed_over = true;
        tracing::info!(
            log = self.log,
            subscriber = self.subscriber,
            queue = self.queue,
            "the queue gets frames alone from now on"
        );
        Ok(())
    }

    async fn acknowledge(&self, last: &lapin::message::Delivery) -> Result<(), BrokerError> {
        let acknowledged = within("acknowledging", last.acker.ack(BasicAckOptions { multiple: true })).await?;
        if acknowledged {
            Ok(())
        } else {
            Err(BrokerError::call("acknowledging", "the channel is closed"))
        }
    }
}

impl Feed for QueueFeed {
    async fn next(&mut self) -> Result<Vec<Delivery>, FeedError> {
        if let Some(error) = self.ended.take() {
            return Err(self.lost(error));
        }
        let mut last = 0;
        if self.taken.events.is_empty() {
            // The only wait; heartbeats bound it when the broker is gone.
            let first = self.consumer.next().await;
            let first = self.delivered(first).map_err(|error| self.lost(error))?;
            last = self.take(first);
        }
        // Another message like the last one still has room in their transaction.
        while self.taken.messages.len() < PREFETCH.into()
            && self.taken.events.len() + last <= BATCH_MAX_EVENTS
            && let Some(delivery) = self.consumer.next().now_or_never()
        {
            match self.delivered(delivery) {
                Ok(delivery) => last = self.take(delivery),
                Err(error) => {
                    self.ended = Some(error);
                    break;
                }
            }
            // To decode a full frame takes as long as to answer ten requests, and they share this thread.
            tokio::task::yield_now().await;
        }
        self.returned = std::mem::take(&mut self.taken);
        let deliveries = std::mem::take(&mut self.returned.events);
        let count = |name, more: usize| {
            metrics::counter!(name, "log" => self.log, "subscriber" => self.subscriber).increment(more as u64);
        };
        count("callboard_feed_deliveries_total", self.returned.messages.len());
        count("callboard_feed_events_total", deliveries.len());
        Ok(deliveries)
    }

    async fn settle(&mut self, foreign: &[Foreign]) -> Result<(), FeedError> {
        let Taken { messages, sources, .. } = std::mem::take(&mut self.returned);
        let Some(last) = messages.last() else { return Ok(()) };
        if !foreign.is_empty() {
            let letters: Vec<_> = dead_letters::letters(foreign, &sources)
                .into_iter()
                .map(|(message, reason)| (&messages[message], reason))
                .collect();
            for (_, reason) in &letters {
                tracing::warn!(
                    log = self.log,
                    subscriber = self.subscriber,
                    queue = self.queue,
                    reason,
                    "dead letter"
                );
            }
            dead_letters::publish(&self.broker, &self.topology, (self.log, self.subscriber), &letters)
                .await
                .map_err(|error| self.lost(error))?;
            metrics::counter!("callboard_feed_dead_letters_total", "log" => self.log, "subscriber" => self.subscriber)
                .increment(letters.len() as u64);
        }
        self.acknowledge(last).await.map_err(|error| self.lost(error))?;
        self.change_over().await.map_err(|error| self.lost(error))
    }
}

impl Drop for QueueFeed {
    fn drop(&mut self) {
        // Before the consumer is dropped, which would cancel it: with messages unacknowledged, the
        // next consumer would get later ones first. One poll sends the close; nobody waits for it.
        let _ = self.channel.close(200, "OK".into()).now_or_never();
    }
}
