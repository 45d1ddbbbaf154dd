//! Somebody else on the broker: an operator, another system.

use callboard::Recorded;
use futures::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions,
    ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer};

use super::amqp_url;
use crate::message;
use crate::topology::{Topology, short};

/// A connection of its own, without any of our rules.
pub struct Outsider {
    connection: Connection,
}

/// A message that was given up, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The header `reason`.
    pub reason: String,
    /// The header `subscriber`.
    pub subscriber: String,
    /// The body.
    pub body: Vec<u8>,
}

impl DeadLetter {
    pub(super) fn of(delivery: &Delivery) -> Self {
        let headers = delivery.properties.headers().clone().unwrap_or_default();
        let header = |name: &str| {
            let value = headers.inner().get(name).and_then(|value| value.as_long_string());
            value.map(ToString::to_string).unwrap_or_default()
        };
        Self {
            reason: header("reason"),
            subscriber: header("subscriber"),
            body: delivery.data.clone(),
        }
    }
}

/// Hears everything that is published under a pattern.
pub struct Listener {
    consumer: Consumer,
    _channel: Channel,
}

impl Listener {
    /// The next message with its routing key, decoded as an event of `log`.
    ///
    /// # Panics
    /// When the connection is lost.
    pub async fn next(&mut self, log: &str) -> (String, Result<Recorded, String>) {
        let delivery = self.message().await;
        let event = message::decode(log, &delivery.properties, &delivery.data);
        (delivery.routing_key.to_string(), event)
    }

    /// The events of the next message, which is a frame of `log`, and its body.
    ///
    /// # Panics
    /// When the connection is lost.
    pub async fn next_frame(&mut self, log: &str) -> (Result<Vec<Recorded>, String>, Vec<u8>) {
        let delivery = self.message().await;
        let events = message::frame::decode(log, &delivery.properties, &delivery.data);
        (events, delivery.data)
    }

    async fn message(&mut self) -> Delivery {
        self.consumer.next().await.expect("the queue lives").expect("a message")
    }
}

/// Every step panics when the broker refuses it: a test without its broker fails.
#[allow(clippy::missing_panics_doc, reason = "said above, once for all")]
impl Outsider {
    /// Connects to the broker of `AMQP_URL`.
    pub async fn connect() -> Self {
        Self::connect_to(&amqp_url()).await
    }

    /// Connects to another broker.
    pub async fn connect_to(url: &str) -> Self {
        let properties = ConnectionProperties::default().with_connection_name("callboard-test outsider".into());
        let connection = Connection::connect(url, properties).await;
        Self {
            connection: connection.expect("the broker can be reached"),
        }
    }

    /// A channel for one step: one that the broker refuses closes it.
    async fn channel(&self) -> Channel {
        self.connection.create_channel().await.expect("a channel")
    }

    /// Binds a queue of its own to the exchange of all events.
    pub async fn listen(&self, topology: &Topology, pattern: &str) -> Listener {
        self.listen_to(topology, &topology.events(), pattern).await
    }

    /// Binds a queue of its own to the exchange of frames.
    pub async fn listen_to_frames(&self, topology: &Topology, pattern: &str) -> Listener {
        self.listen_to(topology, &topology.frames(), pattern).await
    }

    async fn listen_to(&self, topology: &Topology, exchange: &str, pattern: &str) -> Listener {
        let channel = self.channel().await;
        topology
            .declare_events(&channel)
            .await
            .expect("the exchanges are declared");
        let options = QueueDeclareOptions {
            exclusive: true,
            ..Default::default()
        };
        let queue = channel.queue_declare("".into(), options, FieldTable::default()).await;
        let queue = queue.expect("a queue of one's own").name().clone();
        let exchange = short(exchange).expect("a short name");
        let pattern = short(pattern).expect("a short pattern");
        let (options, none) = (QueueBindOptions::default(), FieldTable::default());
        let bound = channel
            .queue_bind(queue.clone(), exchange, pattern, options, none)
            .await;
        bound.expect("anyone may bind");
        let options = BasicConsumeOptions {
            no_ack: true,
            ..Default::default()
        };
        let consumer = channel
            .basic_consume(queue, "".into(), options, FieldTable::default())
            .await;
        Listener {
            consumer: consumer.expect("one's own queue can be consumed"),
            _channel: channel,
        }
    }

    /// Throws away everything that waits in a queue; how many messages that were.
    pub async fn purge(&self, queue: &str) -> u32 {
        let (name, options) = (short(queue).expect("a short name"), QueuePurgeOptions::default());
        let purged = self.channel().await.queue_purge(name, options).await;
        purged.expect("it is purged")
    }

    /// Declares a quorum queue that holds so few messages, as an older release or a person might have.
    pub async fn declare_short_queue(&self, queue: &str, length: i64) {
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(length));
        let options = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        let name = short(queue).expect("a short name");
        let declared = self.channel().await.queue_declare(name, options, arguments).await;
        declared.expect("it is declared");
    }

    /// Binds a queue of its own to all events that takes so few and rejects the others: the broker then
    /// confirms each publish negatively, though other queues took the message.
    pub async fn reject_beyond(&self, topology: &Topology, queue: &str, length: i64) {
        let channel = self.channel().await;
        let mut arguments = FieldTable::default();
        arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(length));
        arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
        let options = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        let name = || short(queue).expect("a short name");
        let declared = channel.queue_declare(name(), options, arguments).await;
        declared.expect("it is declared");
        let exchange = short(&topology.events()).expect("a short name");
        let (options, none) = (QueueBindOptions::default(), FieldTable::default());
        let bound = channel.queue_bind(name(), exchange, "#".into(), options, none).await;
        bound.expect("anyone may bind");
    }

    /// How many messages wait in a queue for somebody to take them; `None` when there is no such queue.
    pub async fn waiting(&self, queue: &str) -> Option<u32> {
        self.passively(queue).await.map(|(waiting, _)| waiting)
    }

    /// Deletes a queue, whoever consumes it.
    pub async fn delete_queue(&self, queue: &str) {
        let (name, options) = (short(queue).expect("a short name"), QueueDeleteOptions::default());
        self.channel()
            .await
            .queue_delete(name, options)
            .await
            .expect("it is deleted");
    }

    /// Deletes an exchange, whoever publishes to it.
    pub async fn delete_exchange(&self, exchange: &str) {
        let (name, options) = (short(exchange).expect("a short name"), ExchangeDeleteOptions::default());
        let deleted = self.channel().await.exchange_delete(name, options).await;
        deleted.expect("it is deleted");
    }

    /// How many consumers a queue has; `None` when there is no such queue.
    pub async fn consumers(&self, queue: &str) -> Option<u32> {
        self.passively(queue).await.map(|(_, consumers)| consumers)
    }

    async fn passively(&self, queue: &str) -> Option<(u32, u32)> {
        let options = QueueDeclareOptions {
            passive: true,
            ..Default::default()
        };
        let name = short(queue).expect("a short name");
        let channel = self.channel().await;
        let queue = channel.queue_declare(name, options, FieldTable::default()).await;
        queue.ok().map(|queue| (queue.message_count(), queue.consumer_count()))
    }

    /// Publishes an event's own message to where every subscriber of `log` gets it. (A relay
    /// publishes it for outsiders alone; a subscriber takes whatever comes.)
    pub async fn publish_event(&self, topology: &Topology, log: &str, event: &Recorded) {
        let message = message::encode(log, event).expect("an event has a message");
        let (body, properties) = (message.body.get().as_bytes(), message.properties);
        self.publish(&topology.frames(), message.routing_key.as_str(), properties, body)
            .await;
    }

    /// Publishes consecutive events as a relay of `log` does, in frames.
    pub async fn publish_frames(&self, topology: &Topology, log: &str, events: &[Recorded]) {
        for frame in message::frame::encode(log, events).expect("events have frames") {
            let key = frame.routing_key.as_str();
            self.publish(&topology.frames(), key, frame.properties.clone(), &frame.body)
                .await;
        }
    }

    /// Publishes anything, to an exchange (or, named nothing, right to a queue), confirmed and routed.
    pub async fn publish_bytes(&self, exchange: &str, key: &str, body: &[u8]) {
        self.publish(exchange, key, BasicProperties::default(), body).await;
    }

    async fn publish(&self, exchange: &str, key: &str, properties: BasicProperties, body: &[u8]) {
        let channel = self.channel().await;
        let confirms = channel.confirm_select(ConfirmSelectOptions::default()).await;
        confirms.expect("confirms can be had");
        let options = BasicPublishOptions {
            mandatory: true,
            ..Default::default()
        };
        let (exchange, key) = (short(exchange).expect("a short name"), short(key).expect("a short key"));
        let sent = channel.basic_publish(exchange, key, options, body, properties).await;
        let confirmed = sent.expect("it is sent").await.expect("it is confirmed");
        assert!(
            confirmed.is_ack() && confirmed.take_message().is_none(),
            "it is taken and routed"
        );
    }

    /// Takes the next dead letter, if there is one.
    pub async fn dead_letter(&self, topology: &Topology) -> Option<DeadLetter> {
        let (channel, queue) = (self.channel().await, short(&topology.dead()).expect("a short name"));
        // There is no queue before the first dead letter.
        let got = channel.basic_get(queue, BasicGetOptions::default()).await.ok()??;
        let letter = DeadLetter::of(&got.delivery);
        got.delivery
            .acker
            .ack(BasicAckOptions::default())
            .await
            .expect("it is taken");
        Some(letter)
    }
}
