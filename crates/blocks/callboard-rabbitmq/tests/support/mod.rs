//! What the tests of this crate share.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

pub mod running;
pub mod tally;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use callboard::log::{Append, LogReader, LogStore, NewEvent, Source};
use callboard::memory::MemoryLog;
use callboard::relay::{Published, RelayStore};
use callboard::{Metadata, Position, Recorded, StreamName, Version, to_json};
use callboard_rabbitmq::testing::{Sandbox, amqp_url};
use callboard_rabbitmq::{RelayHandle, RelayStatus, message};
use futures::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ExchangeKind};
use uuid::Uuid;

pub const LOG: &str = "warehouse";
/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// With a heartbeat every second: silence is a loss after two, for which lapin looks every half; half of one for us.
pub const SILENCE_NOTICED: Duration = Duration::from_secs(3);

/// `future` within the tests' patience.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}

/// Waits until a relay's status is so.
pub async fn until(handle: &RelayHandle, what: &str, so: impl FnMut(&RelayStatus) -> bool) -> RelayStatus {
    let mut status = handle.status();
    let reached = tokio::time::timeout(PATIENCE, status.wait_for(so)).await;
    match reached {
        Ok(status) => status.expect("the relay lives").clone(),
        Err(_) => panic!("not within {PATIENCE:?}: {what}; {:?}", handle.status().borrow()),
    }
}

/// Appends `count` events to a log, and returns them.
pub async fn append(log: &MemoryLog, count: u64) -> Arc<[Recorded]> {
    append_with(log, count, "é\"\\").await
}

/// Appends the largest event that there may be.
pub async fn append_large(log: &MemoryLog) -> Arc<[Recorded]> {
    append_with(log, 1, &"x".repeat(callboard::EVENT_MAX_BYTES - 100)).await
}

/// Appends an event of each of these types in turn, `count` in all.
pub async fn append_kinds(log: &MemoryLog, count: u64, kinds: &[&'static str]) -> Arc<[Recorded]> {
    append_so(log, count, "", |number| kinds[number as usize % kinds.len()]).await
}

async fn append_with(log: &MemoryLog, count: u64, text: &str) -> Arc<[Recorded]> {
    append_so(log, count, text, |_| "ItemCounted").await
}

async fn append_so(log: &MemoryLog, count: u64, text: &str, kind: impl Fn(u64) -> &'static str) -> Arc<[Recorded]> {
    let expected = log.head().await.unwrap();
    let first = expected.position.get();
    let event = |number: u64| NewEvent {
        id: Uuid::now_v7(),
        stream: StreamName::of("item", 1),
        version: Version::new(number),
        event_type: kind(number),
        schema_version: 2,
        data: to_json(&serde_json::json!({ "number": number, "text": text })).unwrap(),
        metadata: Metadata {
            correlation_id: Some(format!("c{number}").into()),
            causation_id: number.is_multiple_of(2).then(Uuid::now_v7),
            actor: Some("ann".into()),
            traceparent: None,
        },
    };
    let events = (first + 1..=first + count).map(event).collect();
    log.append(&Append {
        expected,
        events,
        ..Append::default()
    })
    .await
    .unwrap();
    log.read(expected.position, usize::MAX).await.unwrap().events.into()
}

/// What a relay remembers, in memory. Clones share it.
#[derive(Clone, Default)]
pub struct MemoryRelayStore(Arc<Mutex<Stored>>);

#[derive(Default)]
struct Stored {
    published: Published,
    lease: Option<(Uuid, Instant)>,
    /// Everybody gets the lease.
    lenient: bool,
    moves: Vec<(Position, Position)>,
}

impl MemoryRelayStore {
    /// A store that gives everybody the lease, as a clock that jumps might.
    pub fn lenient() -> Self {
        Self(Arc::new(Mutex::new(Stored {
            lenient: true,
            ..Stored::default()
        })))
    }

    /// The operator's rewind.
    pub fn put_back_to(&self, position: Position) {
        let published = &mut self.0.lock().unwrap().published;
        published.position = position;
        published.generation += 1;
    }

    pub fn stored(&self) -> Position {
        self.0.lock().unwrap().published.position
    }

    /// Every move of `published`, from where to where.
    pub fn moves(&self) -> Vec<(Position, Position)> {
        self.0.lock().unwrap().moves.clone()
    }

    /// Lets another holder have the lease, until it ends.
    pub fn lease_to(&self, holder: Uuid) {
        self.0.lock().unwrap().lease = Some((holder, Instant::now() + Duration::from_secs(2)));
    }
}

impl RelayStore for MemoryRelayStore {
    async fn lease(&self, holder: Uuid) -> Result<bool, Source> {
        let mut stored = self.0.lock().unwrap();
        let taken = stored
            .lease
            .is_some_and(|(other, until)| other != holder && until > Instant::now());
        if taken && !stored.lenient {
            return Ok(false);
        }
        stored.lease = Some((holder, Instant::now() + Duration::from_secs(2)));
        Ok(true)
    }

    async fn release(&self, holder: Uuid) -> Result<(), Source> {
        let mut stored = self.0.lock().unwrap();
        stored.lease.take_if(|(other, _)| *other == holder);
        Ok(())
    }

    async fn published(&self) -> Result<Published, Source> {
        Ok(self.0.lock().unwrap().published)
    }

    async fn advance(&self, from: Published, to: Position) -> Result<bool, Source> {
        let mut stored = self.0.lock().unwrap();
        if stored.published != from {
            return Ok(false);
        }
        stored.published.position = to;
        stored.moves.push((from.position, to));
        Ok(true)
    }
}

/// Somebody else on the broker: an operator, another system.
pub struct Outsider {
    pub connection: Connection,
    pub channel: Channel,
}

impl Outsider {
    pub async fn new() -> Self {
        let properties = ConnectionProperties::default().with_connection_name("callboard-test outsider".into());
        let connection = soon("connecting", Connection::connect(&amqp_url(), properties))
            .await
            .unwrap();
        let channel = connection.create_channel().await.unwrap();
        Self { connection, channel }
    }

    /// Declares an exchange of ours, so that something can be bound to it.
    pub async fn declare(&self, exchange: &str) {
        let options = ExchangeDeclareOptions {
            durable: true,
            ..Default::default()
        };
        let declared =
            self.channel
                .exchange_declare(exchange.into(), ExchangeKind::Topic, options, FieldTable::default());
        declared.await.unwrap();
    }

    /// Binds a queue to all of the log that goes to an exchange.
    pub async fn bind(&self, queue: &str, exchange: &str) {
        let (options, table) = (QueueBindOptions::default(), FieldTable::default());
        let pattern = format!("{LOG}.#");
        self.channel
            .queue_bind(queue.into(), exchange.into(), pattern.as_str().into(), options, table)
            .await
            .unwrap();
    }

    /// A queue of its own, bound to all of the log that goes to an exchange.
    pub async fn bind_own(&self, exchange: &str, arguments: FieldTable) -> String {
        self.declare(exchange).await;
        let options = QueueDeclareOptions {
            exclusive: true,
            ..Default::default()
        };
        let declared = self.channel.queue_declare("".into(), options, arguments).await;
        let queue = declared.unwrap().name().to_string();
        self.bind(&queue, exchange).await;
        queue
    }

    /// A durable queue.
    pub async fn declare_queue(&self, queue: &str, arguments: FieldTable) {
        let options = QueueDeclareOptions {
            durable: true,
            ..Default::default()
        };
        let declared = self.channel.queue_declare(queue.into(), options, arguments).await;
        declared.unwrap();
    }

    /// Consumes a queue without acknowledging.
    pub async fn consume(&self, queue: &str) -> Consumer {
        let options = BasicConsumeOptions {
            no_ack: true,
            ..Default::default()
        };
        self.channel
            .basic_consume(queue.into(), "".into(), options, FieldTable::default())
            .await
            .unwrap()
    }

    /// Hears all events of the log, each in a message of its own.
    pub async fn listen(&self, sandbox: &Sandbox) -> Consumer {
        self.listen_to(&sandbox.topology.events()).await
    }

    /// Hears all frames of the log.
    pub async fn listen_to_frames(&self, sandbox: &Sandbox) -> Consumer {
        self.listen_to(&sandbox.topology.frames()).await
    }

    /// Hears the events whose messages have a key of this pattern, until its queue is deleted.
    pub async fn listen_for(&self, sandbox: &Sandbox, pattern: &str) -> (String, Consumer) {
        let (exchange, table) = (sandbox.topology.events(), FieldTable::default());
        self.declare(&exchange).await;
        let options = QueueDeclareOptions {
            exclusive: true,
            ..Default::default()
        };
        let declared = self.channel.queue_declare("".into(), options, table.clone()).await;
        let queue = declared.unwrap().name().to_string();
        let (queue_name, options) = (queue.as_str().into(), QueueBindOptions::default());
        self.channel
            .queue_bind(queue_name, exchange.as_str().into(), pattern.into(), options, table)
            .await
            .unwrap();
        let consumer = self.consume(&queue).await;
        (queue, consumer)
    }

    async fn listen_to(&self, exchange: &str) -> Consumer {
        let queue = self.bind_own(exchange, FieldTable::default()).await;
        self.consume(&queue).await
    }

    pub async fn delete_queue(&self, queue: &str) {
        self.channel
            .queue_delete(queue.into(), QueueDeleteOptions::default())
            .await
            .unwrap();
    }

    /// Publishes, confirmed; whether any queue wanted it.
    pub async fn is_routed(&self, exchange: &str, key: &str, properties: BasicProperties, body: &[u8]) -> bool {
        self.channel
            .confirm_select(ConfirmSelectOptions::default())
            .await
            .unwrap();
        let options = BasicPublishOptions {
            mandatory: true,
            ..Default::default()
        };
        let sent = self
            .channel
            .basic_publish(exchange.into(), key.into(), options, body, properties);
        let confirmation = soon("a confirm", async { sent.await.unwrap().await.unwrap() }).await;
        assert!(confirmation.is_ack(), "it is taken");
        confirmation.take_message().is_none()
    }

    pub async fn publish(&self, exchange: &str, key: &str, properties: BasicProperties, body: &[u8]) {
        assert!(self.is_routed(exchange, key, properties, body).await, "it is routed");
    }

    /// Publishes events as the relay does for its own subscribers, in frames, each confirmed.
    pub async fn publish_frames(&self, sandbox: &Sandbox, events: &[Recorded]) {
        for frame in message::frame::encode(LOG, events).unwrap() {
            let (exchange, key) = (sandbox.topology.frames(), frame.routing_key.to_string());
            self.publish(&exchange, &key, frame.properties, &frame.body).await;
        }
    }

    /// Publishes each event's own message, confirmed, to this exchange.
    pub async fn publish_events(&self, exchange: &str, events: &[Recorded]) {
        for event in events {
            let message = message::encode(LOG, event).unwrap();
            let (key, body) = (message.routing_key.to_string(), message.body.get().as_bytes());
            self.publish(exchange, &key, message.properties, body).await;
        }
    }
}

/// The next message that a consumer gets.
pub async fn hear(consumer: &mut Consumer) -> Delivery {
    soon("a message", consumer.next())
        .await
        .expect("the consumer lives")
        .expect("a message")
}

/// The events of the next messages, up to and including this position.
pub async fn hear_up_to(consumer: &mut Consumer, position: Position) -> Vec<Recorded> {
    let mut heard: Vec<Recorded> = Vec::new();
    while heard.last().is_none_or(|event| event.position < position) {
        let delivery = hear(consumer).await;
        heard.push(message::decode(LOG, &delivery.properties, &delivery.data).expect("one of ours"));
    }
    heard
}

/// The frames up to the one that ends at this position.
pub async fn hear_frames_up_to(consumer: &mut Consumer, position: Position) -> Vec<Vec<Recorded>> {
    let mut heard: Vec<Vec<Recorded>> = Vec::new();
    while heard
        .iter()
        .flatten()
        .last()
        .is_none_or(|event| event.position < position)
    {
        let delivery = hear(consumer).await;
        let events = message::frame::decode(LOG, &delivery.properties, &delivery.data);
        heard.push(events.expect("one of ours"));
    }
    heard
}

/// Each event once, in order: what a subscriber makes of duplicates.
pub fn without_duplicates(heard: Vec<Recorded>) -> Vec<Recorded> {
    let mut once: Vec<Recorded> = Vec::new();
    for event in heard {
        let next = once.last().map_or(Position::START, |last| last.position).next();
        assert!(event.position <= next, "position {} was left out", next);
        if event.position == next {
            once.push(event);
        }
    }
    once
}

/// Waits until this process has no more threads that drive connections than this. They end as soon
/// as they are scheduled.
pub async fn until_connection_threads(most: usize) {
    if !cfg!(target_os = "linux") {
        return;
    }
    let threads = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.filter(|name| name.starts_with("lapin-io-loop")).count()
    };
    let deadline = Instant::now() + PATIENCE;
    while threads() > most {
        assert!(
            Instant::now() < deadline,
            "{} threads of connections are left",
            threads()
        );
        tokio::task::yield_now().await;
    }
}
