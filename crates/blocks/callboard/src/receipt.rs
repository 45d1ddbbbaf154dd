//! What goes in with a command and what comes out.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::command::{Actor, Forbidden, Refusal};
use crate::log::{Fingerprint, IdempotencyKey, Source};
use crate::names::{Position, StreamName, Version};

/// What a command comes with.
#[derive(Debug, Clone, Default)]
pub struct CommandContext {
    /// Its idempotency key.
    pub key: Option<IdempotencyKey>,
    /// The fingerprint to store with the key, where it was taken before the server made an id;
    /// by default it is taken of the command as it is.
    pub fingerprint: Option<Fingerprint>,
    /// What version its stream must have.
    pub if_match: Option<IfMatch>,
    /// Who sends it.
    pub actor: Actor,
    /// The same for everything that one request sets off.
    pub correlation_id: Option<Arc<str>>,
    /// The id of the event that a process manager answers.
    pub causation_id: Option<Uuid>,
    /// W3C trace context.
    pub traceparent: Option<Arc<str>>,
}

/// The version that a command's stream must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfMatch {
    /// Any, but there must be one.
    Any,
    /// This one.
    Version(Version),
}

/// What an accepted command came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The log's name.
    pub log: Cow<'static, str>,
    /// The position of its last event; the head it was decided on when it recorded nothing.
    pub position: Position,
    /// The command's own stream.
    pub stream: StreamName,
    /// That stream's version afterwards.
    pub version: Version,
    /// The events, in order.
    pub events: Vec<ReceiptEvent>,
    /// What was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
}

/// An event in a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptEvent {
    /// Its id.
    pub id: Uuid,
    /// The wire name.
    #[serde(rename = "type")]
    pub event_type: Cow<'static, str>,
    /// Its number in the log.
    pub position: Position,
    /// Its stream.
    pub stream: StreamName,
    /// Its number in the stream.
    pub version: Version,
}

/// An accepted command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// The receipt.
    pub receipt: Receipt,
    /// Whether an earlier command with the same idempotency key did it.
    pub replayed: bool,
}

/// Why a command was not done. Each variant is one thing that a caller can do about it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// A business rule says no (or what it is about isn't there): an answer on a confirmed state.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The actor may not.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// `If-Match` names another version.
    #[error("the stream {stream} has version {actual}")]
    VersionMismatch {
        /// The command's own stream.
        stream: StreamName,
        /// Its version.
        actual: Version,
    },
    /// The idempotency key was used for another command.
    #[error("the idempotency key was used for another command")]
    KeyReused,
    /// The command's data can't be recorded: too large, or refused by the store.
    #[error("the command can't be recorded: {0}")]
    Unrecordable(String),
    /// The queue in front of the writer is full, or the service drains: try again later.
    #[error("{reason}")]
    Overloaded {
        /// For people.
        reason: &'static str,
        /// When to try again.
        retry_after: Duration,
    },
    /// The log can't be reached; nothing was recorded.
    #[error("the log can't be reached; nothing was recorded")]
    Unavailable,
    /// It isn't known whether it was recorded: repeat it with the same idempotency key.
    #[error("it isn't known whether the command was done")]
    OutcomeUnknown,
    /// A fault in our code, alone at fault in its batch; nothing was recorded.
    #[error("internal fault: {0}")]
    Fault(Arc<str>),
}

impl CommandError {
    /// No answer yet: whether it is done is known when it is repeated with the same idempotency key.
    pub(crate) fn asks_to_repeat(&self) -> bool {
        matches!(self, Self::Overloaded { .. } | Self::Unavailable | Self::OutcomeUnknown)
    }

    pub(crate) fn fault(source: &Source) -> Self {
        Self::Fault(crate::error_chain(source.as_ref()).into())
    }
}
