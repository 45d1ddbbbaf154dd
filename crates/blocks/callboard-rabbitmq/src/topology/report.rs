//! `callboard topology check` and `apply`.

use lapin::options::{ExchangeDeclareOptions, ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{Channel, ExchangeKind};

use crate::broker::{Broker, Connection, within};
use crate::error::BrokerError;
use crate::topology::mismatch::protocol_error;
use crate::topology::{Topology, dead_arguments, declare_exchange, declare_queue, short, subscriber_arguments};

/// AMQP's code for what isn't there.
const NOT_FOUND: u16 = 404;

/// An exchange or a queue, and how it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// `exchange` or `queue`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// How it is, or what was done about it.
    pub state: State,
}

/// How an exchange or a queue is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    Fine,
    /// It isn't there; a relay or subscriber declares it when it connects.
    Missing,
    /// It is declared differently.
    Differs {
        /// The first argument that differs.
        argument: String,
        /// In the broker's words.
        difference: String,
    },
    /// It was missing and has been declared.
    Declared,
    /// It differed, was deleted and declared anew.
    Replaced,
}

/// One thing to look at.
enum Part<'a> {
    Events,
    Frames,
    DeadExchange,
    DeadQueue,
    Queue(&'a str, &'a str),
}

impl Topology {
    /// How everything is: the three exchanges, the dead letters' queue, and the queues of these
    /// subscribers, each with its log. Changes nothing. (Bindings can't be asked for in AMQP; a
    /// relay and a subscriber declare them whenever they connect.)
    ///
    /// # Errors
    /// [`BrokerError`] when the broker can't be asked.
    pub async fn check(&self, broker: &Broker, subscribers: &[(&str, &str)]) -> Result<Vec<Item>, BrokerError> {
        let connection = broker.publishing().await?;
        let mut items = Vec::new();
        for part in parts(subscribers) {
            items.push(self.look(&connection, &part).await?);
        }
        connection.keep();
        Ok(items)
    }

    /// Declares what is missing; what differs is deleted first. Messages in a deleted queue are
    /// read from the log; who bound a queue of their own to a deleted exchange must bind it again.
    ///
    /// # Errors
    /// [`BrokerError`] when the broker refuses or can't be asked.
    pub async fn apply(&self, broker: &Broker, subscribers: &[(&str, &str)]) -> Result<Vec<Item>, BrokerError> {
        let connection = broker.publishing().await?;
        let mut items = Vec::new();
        for part in parts(subscribers) {
            let mut item = self.look(&connection, &part).await?;
            let channel = connection.channel().await?;
            if matches!(item.state, State::Differs { .. }) {
                delete(&channel, &item).await?;
            }
            // Also what is fine: its binding may be gone, with its exchange for one.
            self.declare(&channel, &part).await?;
            item.state = match item.state {
                State::Fine => State::Fine,
                State::Missing => State::Declared,
                _ => State::Replaced,
            };
            items.push(item);
        }
        connection.keep();
        Ok(items)
    }

    /// Deletes the three exchanges, the dead letters' queue and the queues of these subscribers: for
    /// taking a deployment down.
    ///
    /// # Errors
    /// [`BrokerError`] when the broker refuses or can't be asked.
    pub async fn delete(&self, broker: &Broker, subscribers: &[(&str, &str)]) -> Result<(), BrokerError> {
        let connection = broker.publishing().await?;
        let channel = connection.channel().await?;
        for part in parts(subscribers) {
            delete(&channel, &self.item(&part, State::Fine)).await?;
        }
        connection.keep();
        Ok(())
    }

    fn item(&self, part: &Part<'_>, state: State) -> Item {
        let (kind, name) = match part {
            Part::Events => ("exchange", self.events()),
            Part::Frames => ("exchange", self.frames()),
            Part::DeadExchange => ("exchange", self.dead()),
            Part::DeadQueue => ("queue", self.dead()),
            Part::Queue(log, subscriber) => ("queue", self.queue(log, subscriber)),
        };
        Item { kind, name, state }
    }

    /// Looks without declaring what isn't there. A look that fails closes its channel.
    async fn look(&self, connection: &Connection, part: &Part<'_>) -> Result<Item, BrokerError> {
        let item = self.item(part, State::Fine);
        if let Err(error) = passive(&connection.channel().await?, &item).await {
            return match &error {
                BrokerError::Call { source, .. } if protocol_error(source, NOT_FOUND).is_some() => Ok(Item {
                    state: State::Missing,
                    ..item
                }),
                _ => Err(error),
            };
        }
        let channel = connection.channel().await?;
        let declared = match part {
            Part::Events | Part::Frames | Part::DeadExchange => declare_exchange(&channel, &item.name).await,
            Part::DeadQueue => declare_queue(&channel, &item.name, dead_arguments()).await,
            Part::Queue(..) => declare_queue(&channel, &item.name, subscriber_arguments()).await,
        };
        match declared {
            Ok(()) => Ok(item),
            Err(BrokerError::Mismatch {
                argument, difference, ..
            }) => Ok(Item {
                state: State::Differs { argument, difference },
                ..item
            }),
            Err(error) => Err(error),
        }
    }

    async fn declare(&self, channel: &Channel, part: &Part<'_>) -> Result<(), BrokerError> {
        match part {
            Part::Events => declare_exchange(channel, &self.events()).await,
            Part::Frames => declare_exchange(channel, &self.frames()).await,
            Part::DeadExchange => declare_exchange(channel, &self.dead()).await,
            Part::DeadQueue => self.declare_dead(channel).await,
            Part::Queue(log, subscriber) => self.declare_queue(channel, log, subscriber).await,
        }
    }
}

fn parts<'a>(subscribers: &[(&'a str, &'a str)]) -> Vec<Part<'a>> {
    let queues = subscribers.iter().map(|(log, subscriber)| Part::Queue(log, subscriber));
    [Part::Events, Part::Frames, Part::DeadExchange, Part::DeadQueue]
        .into_iter()
        .chain(queues)
        .collect()
}

async fn passive(channel: &Channel, item: &Item) -> Result<(), BrokerError> {
    let name = short(&item.name)?;
    let what = format!("looking at the {} {}", item.kind, item.name);
    if item.kind == "exchange" {
        let options = ExchangeDeclareOptions {
            passive: true,
            ..Default::default()
        };
        within(
            &what,
            channel.exchange_declare(name, ExchangeKind::Topic, options, FieldTable::default()),
        )
        .await
    } else {
        let options = QueueDeclareOptions {
            passive: true,
            ..Default::default()
        };
        within(&what, channel.queue_declare(name, options, FieldTable::default()))
            .await
            .map(drop)
    }
}

async fn delete(channel: &Channel, item: &Item) -> Result<(), BrokerError> {
    tracing::info!(kind = item.kind, name = item.name, "deleting");
    if item.kind == "exchange" {
        delete_exchange(channel, &item.name).await
    } else {
        delete_queue(channel, &item.name).await
    }
}

async fn delete_exchange(channel: &Channel, name: &str) -> Result<(), BrokerError> {
    let deleted = channel.exchange_delete(short(name)?, ExchangeDeleteOptions::default());
    within(&format!("deleting the exchange {name}"), deleted).await
}

pub(crate) async fn delete_queue(channel: &Channel, name: &str) -> Result<(), BrokerError> {
    let deleted = channel.queue_delete(short(name)?, QueueDeleteOptions::default());
    within(&format!("deleting the queue {name}"), deleted).await.map(drop)
}
