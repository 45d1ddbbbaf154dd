//! Somebody who damages what is on the broker, while it may be away: every step says whether it was
//! done, within a deadline.

use callboard::Recorded;
use lapin::BasicProperties;
use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeleteOptions,
    QueuePurgeOptions,
};

use super::DeadLetter;
use crate::broker::{Broker, within};
use crate::error::BrokerError;
use crate::message;
use crate::topology::{Topology, delete_queue, short};

/// Meddles with a broker. Dropping any of its futures is safe.
#[derive(Clone)]
pub struct Meddler(Broker);

/// Each fails with [`BrokerError`] when the broker refuses or can't be asked.
#[allow(clippy::missing_errors_doc, reason = "said above, once for all")]
impl Meddler {
    /// With this broker.
    pub fn new(broker: Broker) -> Self {
        Self(broker)
    }

    /// Throws away everything that waits in a queue.
    pub async fn purge(&self, queue: &str) -> Result<(), BrokerError> {
        let connection = self.0.publishing().await?;
        let channel = connection.channel().await?;
        let purged = channel.queue_purge(short(queue)?, QueuePurgeOptions::default());
        within(&format!("purging {queue}"), purged).await?;
        connection.keep();
        Ok(())
    }

    /// Deletes a queue, whoever consumes it.
    pub async fn delete_queue(&self, queue: &str) -> Result<(), BrokerError> {
        let connection = self.0.publishing().await?;
        delete_queue(&connection.channel().await?, queue).await?;
        connection.keep();
        Ok(())
    }

    /// Deletes the two exchanges that events go to.
    pub async fn delete_events(&self, topology: &Topology) -> Result<(), BrokerError> {
        let connection = self.0.publishing().await?;
        let channel = connection.channel().await?;
        for exchange in [topology.frames(), topology.events()] {
            let deleted = channel.exchange_delete(short(&exchange)?, ExchangeDeleteOptions::default());
            within(&format!("deleting {exchange}"), deleted).await?;
        }
        connection.keep();
        Ok(())
    }

    /// Puts consecutive events of `log` into a queue, in frames, as a relay's would stand there.
    pub async fn slip_frames(&self, queue: &str, log: &str, events: &[Recorded]) -> Result<(), BrokerError> {
        for frame in message::frame::encode(log, events)? {
            self.slip(queue, frame.properties, &frame.body).await?;
        }
        Ok(())
    }

    /// Puts an event of `log` into a queue, as its own message would stand there.
    pub async fn slip_event(&self, queue: &str, log: &str, event: &Recorded) -> Result<(), BrokerError> {
        let message = message::encode(log, event)?;
        self.slip(queue, message.properties, message.body.get().as_bytes())
            .await
    }

    /// Puts anything into a queue.
    pub async fn slip_bytes(&self, queue: &str, body: &[u8]) -> Result<(), BrokerError> {
        self.slip(queue, BasicProperties::default(), body).await
    }

    async fn slip(&self, queue: &str, properties: BasicProperties, body: &[u8]) -> Result<(), BrokerError> {
        let connection = self.0.publishing().await?;
        let channel = connection.channel().await?;
        let confirms = channel.confirm_select(ConfirmSelectOptions::default());
        within("asking for confirms", confirms).await?;
        let (exchange, key) = (short("")?, short(queue)?);
        let sent = channel.basic_publish(exchange, key, BasicPublishOptions::default(), body, properties);
        let sending = async { sent.await?.await };
        within(&format!("publishing to {queue}"), sending).await?;
        connection.keep();
        Ok(())
    }

    /// Takes every dead letter that is there; none before there is a queue for them.
    pub async fn dead_letters(&self, topology: &Topology) -> Result<Vec<DeadLetter>, BrokerError> {
        let connection = self.0.publishing().await?;
        let channel = connection.channel().await?;
        topology.declare_dead(&channel).await?;
        let mut letters = Vec::new();
        loop {
            let got = channel.basic_get(short(&topology.dead())?, BasicGetOptions::default());
            let Some(got) = within("taking a dead letter", got).await? else {
                connection.keep();
                return Ok(letters);
            };
            letters.push(DeadLetter::of(&got.delivery));
            let taken = got.delivery.acker.ack(BasicAckOptions::default());
            within("taking a dead letter", taken).await?;
        }
    }
}
