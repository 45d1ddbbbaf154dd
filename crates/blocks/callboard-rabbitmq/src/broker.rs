//! Connections: named, pooled, with a deadline on everything.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use deadpool_lapin::{Config, Object, Pool, PoolConfig, Runtime, Timeouts};
use lapin::ConnectionProperties;
use lapin::uri::{AMQPScheme, AMQPUri};

use crate::error::BrokerError;

/// How long the broker may take for any answer.
pub(crate) const CALL_WITHIN: Duration = Duration::from_secs(5);
/// How long an attempt to connect may hang before another one is begun. Well beyond the deadline of
/// whoever waits, because an attempt that is given up leaves a thread behind for as long as it hangs.
const DIAL_WITHIN: Duration = Duration::from_secs(15);
/// Seconds between heartbeats, unless the address has its own.
const HEARTBEAT_SECONDS: u16 = 10;
/// The largest frame of a relay's connection, whose buffers are 32 frames each way. Headers must fit
/// in one: ours have at most 8 KiB of metadata and some small ones.
const RELAY_FRAME_BYTES: u32 = 32 * 1024;
/// The largest frame of a subscriber's connection: as large as the broker's is by default, for a foreign
/// message with larger headers than ours may take would close it again and again. Said all the same:
/// lapin writes zeros into all 8 MiB of buffers that it grows once the broker has named a size, and leaves
/// those alone that have their size from the beginning.
const SUBSCRIBER_FRAME_BYTES: u32 = 128 * 1024;

/// A RabbitMQ broker, and who we are to it. Cheap to clone.
///
/// Each relay and each subscriber has a connection of its own, named after it: the broker blocks
/// publishing connections whole, and an error of one queue closes the connection that met it.
/// Auto-recovery is off; whoever loses a connection begins anew.
#[derive(Clone)]
pub struct Broker(Arc<Inner>);

struct Inner {
    uri: AMQPUri,
    application: String,
    /// For what is rare: dead letters, topology, probes.
    publishing: Link,
}

impl Broker {
    /// A broker by its AMQP address. `application` begins every connection's name, e.g.
    /// `callboard-command`. Connects to nothing yet; must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`BrokerError::Address`] when it is no AMQP address.
    pub fn new(url: &str, application: &str) -> Result<Self, BrokerError> {
        let uri = parse(url)?;
        let publishing = Link::new(&uri, format!("{application} publishing"), 2);
        Ok(Self(Arc::new(Inner {
            uri,
            application: application.into(),
            publishing,
        })))
    }

    /// Whether the broker answers: an open channel on a connection. For readiness.
    ///
    /// # Errors
    /// [`BrokerError`] says why not.
    pub async fn probe(&self) -> Result<(), BrokerError> {
        let connection = self.publishing().await?;
        let channel = connection.channel().await?;
        within("closing a channel", channel.close(200, "OK".into())).await?;
        connection.keep();
        Ok(())
    }

    /// The address without the password.
    pub fn masked_url(&self) -> String {
        let mut uri = self.0.uri.clone();
        uri.authority.userinfo.password = "***".into();
        // The mask must not be percent-encoded to be read as one.
        uri.to_string().replacen(":%2A%2A%2A@", ":***@", 1)
    }

    /// Host and port, unless they speak TLS.
    pub(crate) fn plain_address(&self) -> Option<(String, u16)> {
        let uri = &self.0.uri;
        let plain = uri.scheme == AMQPScheme::AMQP;
        plain.then(|| (uri.authority.host.clone(), uri.authority.port))
    }

    pub(crate) fn application(&self) -> &str {
        &self.0.application
    }

    /// A shared connection for what is published now and then.
    pub(crate) async fn publishing(&self) -> Result<Connection, BrokerError> {
        self.0.publishing.connect().await
    }

    /// The connection of one relay.
    pub(crate) fn relay_link(&self, log: &str) -> Link {
        let mut uri = self.0.uri.clone();
        uri.query.frame_max.get_or_insert(RELAY_FRAME_BYTES);
        Link::new(&uri, format!("{} relay {log}", self.application()), 1)
    }

    /// The connection of one subscriber.
    pub(crate) fn subscriber_link(&self, log: &str, subscriber: &str) -> Link {
        let mut uri = self.0.uri.clone();
        uri.query.frame_max.get_or_insert(SUBSCRIBER_FRAME_BYTES);
        Link::new(&uri, format!("{} subscriber {log}.{subscriber}", self.application()), 1)
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker")
            .field("url", &self.masked_url())
            .field("application", &self.application())
            .finish()
    }
}

fn parse(url: &str) -> Result<AMQPUri, BrokerError> {
    let mut uri: AMQPUri = url.parse().map_err(|reason: String| BrokerError::Address {
        // Some reasons quote the address with its password.
        reason: if reason.contains(url) {
            "can't be read".into()
        } else {
            format!("can't be read ({reason})")
        },
    })?;
    if url.contains('[') {
        // Read as `localhost` by the parser.
        return Err(BrokerError::Address {
            reason: "has a literal IPv6 host, which needs a name".into(),
        });
    }
    uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
    Ok(uri)
}

/// A pool of connections with one name.
pub(crate) struct Link {
    name: String,
    pool: Pool,
}

impl Link {
    fn new(uri: &AMQPUri, name: String, max_size: usize) -> Self {
        let timeouts = Timeouts {
            wait: Some(CALL_WITHIN),
            create: Some(DIAL_WITHIN),
            recycle: Some(CALL_WITHIN),
        };
        let config = Config {
            url: Some(uri.to_string()),
            pool: Some(PoolConfig {
                timeouts,
                ..PoolConfig::new(max_size)
            }),
        };
        let shown = name.clone();
        let pool = config
            .create_pool(
                move || ConnectionProperties::default().with_connection_name(shown.as_str().into()),
                Runtime::Tokio1,
            )
            .expect("the pool's time-outs come with their runtime");
        Self { name, pool }
    }

    /// A connection: a healthy one that was kept, or a new one. Dropping the future is safe.
    ///
    /// An attempt that outlives the deadline goes on in its own task and keeps its place in the
    /// pool, so that a broker which accepts and then says nothing costs one attempt, not one per try.
    pub(crate) async fn connect(&self) -> Result<Connection, BrokerError> {
        let pool = self.pool.clone();
        let dial = tokio::spawn(async move { pool.get().await });
        let failed = |source| BrokerError::Connect {
            connection: self.name.clone(),
            source,
        };
        match tokio::time::timeout(CALL_WITHIN, dial).await {
            Ok(Ok(Ok(object))) => Ok(Connection(Some(object))),
            Ok(Ok(Err(error))) => Err(failed(error.into())),
            Ok(Err(panic)) => Err(failed(panic.into())),
            Err(_) => Err(BrokerError::Deadline {
                what: self.name.clone(),
                within: CALL_WITHIN,
            }),
        }
    }
}

/// A connection out of the pool; closed when dropped, unless it is kept.
pub(crate) struct Connection(Option<Object>);

impl Connection {
    /// A fresh channel.
    pub(crate) async fn channel(&self) -> Result<lapin::Channel, BrokerError> {
        within("opening a channel", self.create_channel()).await
    }

    /// Back into the pool: nothing went wrong on it.
    pub(crate) fn keep(mut self) {
        drop(self.0.take());
    }
}

impl Deref for Connection {
    type Target = lapin::Connection;

    fn deref(&self) -> &Self::Target {
        self.0
            .as_ref()
            .expect("the connection is there until it is kept or dropped")
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(Object::take(object));
        }
    }
}

/// `call`, with the deadline that every broker call has.
pub(crate) async fn within<T>(
    what: &str,
    call: impl Future<Output = Result<T, lapin::Error>>,
) -> Result<T, BrokerError> {
    match tokio::time::timeout(CALL_WITHIN, call).await {
        Ok(answer) => answer.map_err(|error| BrokerError::call(what, error)),
        Err(_) => Err(BrokerError::Deadline {
            what: what.into(),
            within: CALL_WITHIN,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_broker_never_shows_its_password() {
        let broker = Broker::new("amqp://worker:s3cret@127.0.0.1:5672/%2f", "test").unwrap();
        let shown = format!("{broker:?} {}", broker.masked_url());
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(shown.contains("amqp://worker:***@127.0.0.1:5672/%2F"), "{shown}");
    }

    #[tokio::test]
    async fn a_wrong_address_is_refused_without_repeating_it() {
        for url in [
            "",
            "s3cret",
            "http://s3cret@host",
            "amqp:s3cret",
            "amqp://u:s3cret@host:99999/",
            "amqp://u:s3cret@[::1]/",
        ] {
            let error = Broker::new(url, "test").unwrap_err().to_string();
            assert!(!error.contains("s3cret"), "{error}");
            assert!(error.contains("expected amqp://"), "{error}");
        }
    }

    #[test]
    fn the_heartbeat_is_ten_seconds_unless_the_address_says_otherwise() {
        assert_eq!(parse("amqp://127.0.0.1").unwrap().query.heartbeat, Some(10));
        assert_eq!(
            parse("amqp://127.0.0.1/%2f?heartbeat=2").unwrap().query.heartbeat,
            Some(2)
        );
    }
}
