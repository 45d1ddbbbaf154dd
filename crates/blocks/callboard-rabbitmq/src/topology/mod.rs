//! Exchanges, queues and bindings: their names and how they are declared.

mod mismatch;
mod report;

pub(crate) use report::delete_queue;
pub use report::{Item, State};

use std::sync::Arc;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, ExchangeKind};

use crate::broker::within;
use crate::error::BrokerError;
use mismatch::mismatch;

/// How many messages a queue holds before it drops the oldest. Dropped ones are read from the log.
pub const QUEUE_MAX_MESSAGES: i64 = 100_000;
/// How many bytes of dead letters are kept.
const DEAD_MAX_BYTES: i64 = 256 * 1024 * 1024;
/// Set because its default differs (none in 3.10, 20 since 4.0), and a message must not be lost to
/// restarts of its consumer; -1 drops messages on 3.10.
const DELIVERY_LIMIT: i64 = 1_000_000;
const PREFIX_MAX: usize = 64;

/// The names under one prefix, so that several deployments share a broker. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    prefix: Arc<str>,
}

impl Topology {
    /// The topology under a prefix, e.g. `dev`.
    ///
    /// # Errors
    /// [`BrokerError::Prefix`] unless it is 1 to 64 letters, digits, `_` and `-`: with a dot in it,
    /// names of two prefixes could be the same.
    pub fn new(prefix: &str) -> Result<Self, BrokerError> {
        let fits = (1..=PREFIX_MAX).contains(&prefix.len());
        if fits
            && prefix
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        {
            Ok(Self { prefix: prefix.into() })
        } else {
            Err(BrokerError::Prefix {
                prefix: prefix.chars().take(80).collect(),
            })
        }
    }

    /// The exchange of all events, a message for each, a durable topic exchange: for anybody.
    pub fn events(&self) -> String {
        format!("{}.events", self.prefix)
    }

    /// The exchange of all events in frames, a durable topic exchange: for our own subscribers.
    pub fn frames(&self) -> String {
        format!("{}.frames", self.prefix)
    }

    /// The exchange of dead letters, and its queue.
    pub fn dead(&self) -> String {
        format!("{}.dead", self.prefix)
    }

    /// A subscriber's queue.
    pub fn queue(&self, log: &str, subscriber: &str) -> String {
        format!("{}.{log}.{subscriber}", self.prefix)
    }

    /// Declares the two exchanges that events go to.
    pub(crate) async fn declare_events(&self, channel: &Channel) -> Result<(), BrokerError> {
        declare_exchange(channel, &self.events()).await?;
        declare_exchange(channel, &self.frames()).await
    }

    pub(crate) async fn declare_dead(&self, channel: &Channel) -> Result<(), BrokerError> {
        declare_exchange(channel, &self.dead()).await?;
        declare_queue(channel, &self.dead(), dead_arguments()).await?;
        bind(channel, &self.dead(), &self.dead(), "#").await
    }

    /// Declares a subscriber's queue and binds it to its whole log, in frames.
    pub(crate) async fn declare_queue(
        &self,
        channel: &Channel,
        log: &str,
        subscriber: &str,
    ) -> Result<(), BrokerError> {
        let queue = self.queue(log, subscriber);
        declare_queue(channel, &queue, subscriber_arguments()).await?;
        bind(channel, &queue, &self.frames(), &whole(log)).await
    }

    /// Takes away the binding that a subscriber's queue has from before there were frames.
    pub(crate) async fn leave_events(&self, channel: &Channel, log: &str, subscriber: &str) -> Result<(), BrokerError> {
        unbind(channel, &self.queue(log, subscriber), &self.events(), &whole(log)).await
    }
}

/// The pattern that every message of a log matches.
fn whole(log: &str) -> String {
    format!("{log}.#")
}

/// A name as AMQP carries it, at most 255 bytes.
pub(crate) fn short(name: &str) -> Result<ShortString, BrokerError> {
    ShortString::try_new(name).map_err(|error| BrokerError::call(format!("naming {name}"), error))
}

async fn declare_exchange(channel: &Channel, name: &str) -> Result<(), BrokerError> {
    let options = ExchangeDeclareOptions {
        durable: true,
        ..Default::default()
    };
    let declared = channel.exchange_declare(short(name)?, ExchangeKind::Topic, options, FieldTable::default());
    within(&format!("declaring the exchange {name}"), declared)
        .await
        .map_err(|error| mismatch("exchange", name, error))
}

async fn declare_queue(channel: &Channel, name: &str, arguments: FieldTable) -> Result<(), BrokerError> {
    let options = QueueDeclareOptions {
        durable: true,
        ..Default::default()
    };
    let declared = channel.queue_declare(short(name)?, options, arguments);
    let declared = within(&format!("declaring the queue {name}"), declared).await;
    declared.map(drop).map_err(|error| mismatch("queue", name, error))
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, pattern: &str) -> Result<(), BrokerError> {
    let options = QueueBindOptions::default();
    let bound = channel.queue_bind(
        short(queue)?,
        short(exchange)?,
        short(pattern)?,
        options,
        FieldTable::default(),
    );
    within(&format!("binding the queue {queue}"), bound).await
}

async fn unbind(channel: &Channel, queue: &str, exchange: &str, pattern: &str) -> Result<(), BrokerError> {
    let none = FieldTable::default();
    let unbound = channel.queue_unbind(short(queue)?, short(exchange)?, short(pattern)?, none);
    within(&format!("unbinding the queue {queue}"), unbound).await
}

/// Everything is set explicitly: defaults differ between releases of the broker.
fn subscriber_arguments() -> FieldTable {
    let mut arguments = quorum_arguments();
    arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
    arguments
}

fn dead_arguments() -> FieldTable {
    let mut arguments = quorum_arguments();
    arguments.insert("x-max-length-bytes".into(), AMQPValue::LongLongInt(DEAD_MAX_BYTES));
    arguments
}

fn quorum_arguments() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(QUEUE_MAX_MESSAGES));
    // Never `reject-publish`: one full queue would make publishing to all others fail too.
    arguments.insert("x-overflow".into(), AMQPValue::LongString("drop-head".into()));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(DELIVERY_LIMIT));
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_can_not_reach_into_the_names_of_another() {
        for prefix in ["", "a.b", "a b", "ä", "#", &"a".repeat(65)] {
            assert!(Topology::new(prefix).is_err(), "{prefix}");
        }
        let topology = Topology::new("dev-1_x").unwrap();
        assert_eq!(topology.events(), "dev-1_x.events");
        assert_eq!(topology.frames(), "dev-1_x.frames");
        assert_eq!(topology.dead(), "dev-1_x.dead");
        assert_eq!(topology.queue("warehouse", "products"), "dev-1_x.warehouse.products");
    }
}
