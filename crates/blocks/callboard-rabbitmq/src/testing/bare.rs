//! The broker without Callboard, to compare with: publish, confirm, consume, acknowledge.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer};
use uuid::Uuid;

use super::amqp_url;
use crate::topology::short;

/// How many confirms are in flight.
const WINDOW: usize = 1_000;
/// How many messages a consumer is given before it acknowledges.
const PREFETCH: u16 = 1_000;

/// A connection and a quorum queue of its own.
pub struct Bare {
    connection: Connection,
    queue: ShortString,
}

/// Every step panics when the broker refuses it.
#[allow(clippy::missing_panics_doc, reason = "said above, once for all")]
impl Bare {
    /// Connects to the broker of `AMQP_URL` and declares a queue.
    pub async fn connect() -> Self {
        let properties = ConnectionProperties::default().with_connection_name("callboard-test bare".into());
        let connection = Connection::connect(&amqp_url(), properties).await;
        let connection = connection.expect("the broker of AMQP_URL can be reached");
        let channel = connection.create_channel().await.expect("a channel");
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        let options = QueueDeclareOptions {
            durable: true,
            ..Default::default()
        };
        let name = short(&format!("test-{}", Uuid::new_v4().simple())).expect("a short name");
        let declared = channel.queue_declare(name.clone(), options, arguments).await;
        declared.expect("it is declared");
        Self {
            connection,
            queue: name,
        }
    }

    async fn confirming(&self) -> Channel {
        let channel = self.connection.create_channel().await.expect("a channel");
        let confirms = channel.confirm_select(ConfirmSelectOptions::default()).await;
        confirms.expect("confirms can be had");
        channel
    }

    async fn consumer(&self) -> (Channel, Consumer) {
        let channel = self.connection.create_channel().await.expect("a channel");
        let qos = channel.basic_qos(PREFETCH, BasicQosOptions::default()).await;
        qos.expect("a prefetch");
        let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
        let consumer = channel
            .basic_consume(self.queue.clone(), "".into(), options, none)
            .await;
        (channel, consumer.expect("the queue can be consumed"))
    }

    /// Publishes so many persistent messages of this body, with many confirms in flight; how long it took.
    pub async fn publish(&self, count: usize, body: &[u8]) -> Duration {
        let channel = self.confirming().await;
        let begun = Instant::now();
        let mut window = VecDeque::with_capacity(WINDOW);
        for _ in 0..count {
            if window.len() == WINDOW {
                confirmed(window.pop_front()).await;
            }
            window.push_back(publish(&channel, &self.queue, body).await);
        }
        while !window.is_empty() {
            confirmed(window.pop_front()).await;
        }
        begun.elapsed()
    }

    /// Takes so many messages and acknowledges them, many at once; how long it took.
    pub async fn consume(&self, count: usize) -> Duration {
        let (channel, mut consumer) = self.consumer().await;
        let begun = Instant::now();
        let multiple = BasicAckOptions { multiple: true };
        for number in 1..=count {
            let delivery = consumer.next().await.expect("the queue lives").expect("a message");
            if number.is_multiple_of(usize::from(PREFETCH) / 2) || number == count {
                let acknowledged = channel.basic_ack(delivery.delivery_tag, multiple).await;
                acknowledged.expect("it is acknowledged");
            }
        }
        begun.elapsed()
    }

    /// Publishes one message after the other, each once the last one has come back; how long each took.
    pub async fn round_trips(&self, count: usize, body: &[u8]) -> Vec<Duration> {
        let (publishing, (consuming, mut consumer)) = (self.confirming().await, self.consumer().await);
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let begun = Instant::now();
            let confirm = publish(&publishing, &self.queue, body).await;
            let delivery = consumer.next().await.expect("the queue lives").expect("a message");
            times.push(begun.elapsed());
            let acknowledged = consuming
                .basic_ack(delivery.delivery_tag, BasicAckOptions::default())
                .await;
            acknowledged.expect("it is acknowledged");
            confirmed(Some(confirm)).await;
        }
        times
    }

    /// Deletes the queue.
    pub async fn release(self) {
        let channel = self.connection.create_channel().await.expect("a channel");
        let deleted = channel.queue_delete(self.queue, QueueDeleteOptions::default()).await;
        deleted.expect("it is deleted");
    }
}

type Confirm = BoxFuture<'static, lapin::Result<Confirmation>>;

async fn publish(channel: &Channel, queue: &ShortString, body: &[u8]) -> Confirm {
    let properties = BasicProperties::default().with_delivery_mode(2);
    let options = BasicPublishOptions::default();
    let sent = channel
        .basic_publish("".into(), queue.clone(), options, body, properties)
        .await;
    sent.expect("it is sent").boxed()
}

async fn confirmed(confirm: Option<Confirm>) {
    if let Some(confirm) = confirm {
        assert!(confirm.await.expect("it is answered").is_ack(), "it is taken");
    }
}
