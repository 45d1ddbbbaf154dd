//! What can go wrong with the broker.

use std::time::Duration;

use callboard::log::Source;

/// Why something with the broker failed. Nothing is lost by any of them: the log has everything.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// The address is none.
    #[error("the broker's address {reason}; expected amqp://user:password@host:port/vhost")]
    Address {
        /// Why, without the address: it holds a password.
        reason: String,
    },
    /// The prefix can't be one.
    #[error("the prefix {prefix:?} isn't 1 to 64 letters, digits, `_` and `-`")]
    Prefix {
        /// As it was given.
        prefix: String,
    },
    /// No connection could be made.
    #[error("{connection}: can't connect to the broker")]
    Connect {
        /// The connection's name.
        connection: String,
        /// The cause.
        #[source]
        source: Source,
    },
    /// The broker didn't answer in time.
    #[error("{what}: no answer from the broker within {within:?}")]
    Deadline {
        /// What was asked of it.
        what: String,
        /// How long it was waited for.
        within: Duration,
    },
    /// The broker refused, or the connection was lost.
    #[error("{what} failed")]
    Call {
        /// What was asked of it.
        what: String,
        /// The cause.
        #[source]
        source: Source,
    },
    /// An exchange or queue is there already, declared differently.
    #[error(
        "the {kind} {name} has another {argument} than wanted ({difference}); its arguments can't be changed: \
         `callboard topology apply` deletes it and declares it anew (nothing is lost, the log has everything)"
    )]
    Mismatch {
        /// `queue` or `exchange`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The argument that differs.
        argument: String,
        /// In the broker's words.
        difference: String,
    },
    /// The broker didn't take a message that it was to confirm.
    #[error("the broker did not take {what}: {reason}")]
    NotTaken {
        /// The message.
        what: String,
        /// Why.
        reason: String,
    },
    /// An event can't be a message.
    #[error("the event at position {position} can't be a message: {reason}")]
    Unpublishable {
        /// Where it stands.
        position: u64,
        /// Why.
        reason: String,
    },
}

impl BrokerError {
    pub(crate) fn call(what: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::Call {
            what: what.into(),
            source: source.into(),
        }
    }

    /// Whether it is about this one queue rather than about the broker: an internal error (541) or
    /// silence, where other calls on the same connection were answered.
    pub(crate) fn smells_of_a_dead_queue(&self) -> bool {
        match self {
            Self::Deadline { .. } => true,
            Self::Call { source, .. } => source.downcast_ref::<lapin::Error>().is_some_and(|error| {
                matches!(error.kind(), lapin::ErrorKind::ProtocolError(error) if error.get_id() == INTERNAL_ERROR)
            }),
            _ => false,
        }
    }
}

/// AMQP's code for an internal error: what RabbitMQ answers for a queue whose members are gone.
const INTERNAL_ERROR: u16 = 541;
