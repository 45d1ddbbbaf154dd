//! The command side: a request becomes a command with its context, a receipt becomes the answer.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use callboard::log::Fingerprint;
use callboard::{Actor, Command, CommandContext, Commands, Executed, IdempotencyKey, Log, Position};
use uuid::Uuid;

use crate::edge::{Edge, Limits};
use crate::headers::{self, CALLBOARD_POSITION, IDEMPOTENT_REPLAYED};
use crate::listing::{parameters, unknown};
use crate::observe::CorrelationId;
use crate::problem::{Problem, etag};

/// The state of a context's command routes. Cheap to clone: axum does so several times for each request.
pub struct CommandSide<L: Log>(Arc<Side<L>>);

struct Side<L: Log> {
    commands: Commands<L>,
    edge: Edge,
}

impl<L: Log> CommandSide<L> {
    /// Routes that send their commands there.
    pub fn new(commands: Commands<L>, edge: Edge) -> Self {
        Self(Arc::new(Side { commands, edge }))
    }
}

impl<L: Log> Clone for CommandSide<L> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<L: Log> FromRef<CommandSide<L>> for Limits {
    fn from_ref(side: &CommandSide<L>) -> Self {
        Self::clone(&side.0.edge.limits)
    }
}

/// Who sends a command, and everything that its headers and its query say. Make it a handler's
/// first argument: authentication comes before every other check.
///
/// Every command takes the query parameter `validate_only`: `true` asks whether the request itself
/// is right. Then nothing is decided or recorded, and no state is needed.
pub struct CommandRequest<L: Log> {
    side: CommandSide<L>,
    context: CommandContext,
    validate_only: bool,
}

impl<L: Log> CommandRequest<L> {
    /// Who sends it.
    pub fn actor(&self) -> &Actor {
        &self.context.actor
    }

    /// A fresh id for what a creation makes, unless the client gave one.
    pub fn new_id(&self) -> Uuid {
        Uuid::now_v7()
    }

    /// The fingerprint to compare repeats by, for a creation whose id the server makes: taken of
    /// the request, before the id.
    #[must_use]
    pub fn fingerprint(mut self, fingerprint: Fingerprint) -> Self {
        self.context.fingerprint = Some(fingerprint);
        self
    }

    /// Executes the command, or only finds it valid if that was asked for. Dropping the future is
    /// safe: the command completes or never began.
    ///
    /// # Errors
    /// The [`Problem`] that answers why it was not done.
    pub async fn execute<C: Command<Log = L>>(self, command: C) -> Result<Done, Problem> {
        if self.validate_only {
            return Ok(Done::Valid);
        }
        Ok(Done::Executed(
            self.side.0.commands.execute(command, self.context).await?,
        ))
    }
}

impl<L: Log> FromRequestParts<CommandSide<L>> for CommandRequest<L> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, side: &CommandSide<L>) -> Result<Self, Problem> {
        let actor = side.0.edge.actor(&parts.headers).await?;
        let validate_only = validate_only(&parts.uri)?;
        let key = headers::idempotency_key(&parts.headers)?;
        let own = headers::correlation_id(&parts.headers)?;
        let made = || {
            parts
                .extensions
                .get()
                .cloned()
                .unwrap_or_else(|| CorrelationId::of(&parts.headers))
                .0
        };
        let context = CommandContext {
            key: key.map(|key| IdempotencyKey {
                scope: format!("client:{}", actor.organisation.as_deref().unwrap_or("-")).into(),
                key,
            }),
            if_match: headers::if_match(&parts.headers)?,
            correlation_id: Some(own.unwrap_or_else(made)),
            traceparent: headers::traceparent(&parts.headers)?,
            actor,
            ..CommandContext::default()
        };
        Ok(Self {
            side: side.clone(),
            context,
            validate_only,
        })
    }
}

/// What a command's query says: nothing else than whether it is only to be validated.
fn validate_only(uri: &Uri) -> Result<bool, Problem> {
    let mut only = false;
    for (name, value) in parameters(uri)? {
        only = match (&*name, &*value) {
            ("validate_only", "true") => true,
            ("validate_only", "false") => false,
            ("validate_only", _) => return Err(Problem::invalid("invalid-query", "/validate_only", "true or false")),
            _ => return Err(unknown(&name)),
        };
    }
    Ok(only)
}

/// The answer to a command that was done: its receipt; 204 to one that was only to be validated.
#[derive(Debug, Clone)]
pub enum Done {
    /// It was executed.
    Executed(Executed),
    /// Nothing is wrong with the request. Whether the rules would take it is not known.
    Valid,
}

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        let Self::Executed(Executed { receipt, replayed }) = self else {
            return StatusCode::NO_CONTENT.into_response();
        };
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (CALLBOARD_POSITION, position_header(&receipt.log, receipt.position)),
            (header::ETAG, etag(receipt.version)),
        ];
        // Not by axum's `Json`, which begins with 128 bytes: a receipt of an event has 300 to 400.
        let mut body = Vec::with_capacity(512);
        serde_json::to_writer(&mut body, &receipt).expect("a receipt is plain data");
        let mut response = (headers, body).into_response();
        if replayed {
            response
                .headers_mut()
                .insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

/// `warehouse:17`.
pub(crate) fn position_header(log: &str, position: Position) -> HeaderValue {
    HeaderValue::try_from(format!("{log}:{position}")).expect("a log's name is visible characters")
}
