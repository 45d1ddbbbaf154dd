//! One try of an event or a batch: with a time limit, and safe from panics.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;

use super::BatchKey;
use crate::event::Recorded;
use crate::event_handler::{Batch, BatchError, EventHandler, EventOf, HandlerError};
use crate::names::Position;
use crate::{error_chain, panic_text};

/// Why a try failed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    /// What was said.
    pub(crate) reason: String,
    /// Whether another try is in vain.
    pub(crate) permanent: bool,
    /// How long the other side wants to be left alone.
    pub(crate) retry_after: Option<Duration>,
    /// Whether it was said of a whole batch, so that the event may be innocent.
    pub(crate) of_batch: bool,
}

impl Failure {
    fn of(error: &HandlerError) -> Self {
        let (cause, retry_after) = match error {
            HandlerError::Transient { source, retry_after } => (source, *retry_after),
            HandlerError::Permanent(source) => (source, None),
        };
        Self {
            reason: error_chain(cause.as_ref()),
            permanent: matches!(error, HandlerError::Permanent(_)),
            retry_after,
            of_batch: false,
        }
    }

    fn said(reason: String, permanent: bool) -> Self {
        Self {
            reason,
            permanent,
            retry_after: None,
            of_batch: false,
        }
    }
}

/// Hands events to the handler once; those that failed, in order.
pub(crate) async fn attempt<H: EventHandler>(
    handler: &H,
    events: &[Arc<Recorded<EventOf<H>>>],
    batch: Option<BatchKey>,
    limit: Duration,
) -> Vec<(Position, Failure)> {
    let tried = async {
        match batch {
            None => handler.handle(&events[0]).await.map_err(BatchError::All),
            Some(key) => {
                let events = events.to_vec();
                handler.handle_batch(&Batch { key, events }).await
            }
        }
    };
    let tried = tokio::time::timeout(limit, AssertUnwindSafe(tried).catch_unwind()).await;
    let all = |failure: Failure| {
        let of_batch = Failure {
            of_batch: true,
            ..failure
        };
        events.iter().map(|event| (event.position, of_batch.clone())).collect()
    };
    match tried {
        Ok(Ok(Ok(()))) => Vec::new(),
        Ok(Ok(Err(BatchError::All(error)))) => all(Failure::of(&error)),
        Ok(Ok(Err(BatchError::Some(failed)))) => {
            let failed = failed.iter().map(|(position, error)| (*position, Failure::of(error)));
            failed
                .filter(|(position, _)| events.iter().any(|event| event.position == *position))
                .collect()
        }
        Ok(Err(panic)) => all(Failure::said(
            format!("the handler panicked: {}", panic_text(&*panic)),
            true,
        )),
        Err(_) => all(Failure::said(format!("not handled within {limit:?}"), false)),
    }
}

/// Hands one event to the handler once, in the way that the pipeline would.
pub(crate) async fn attempt_one<H: EventHandler>(
    handler: &H,
    event: Recorded<EventOf<H>>,
    limit: Duration,
) -> Result<(), String> {
    let event = Arc::new(event);
    let batch = std::panic::catch_unwind(AssertUnwindSafe(|| handler.batch(&event)));
    let batch = batch.map_err(|panic| panic_text(&*panic))?;
    let failed = attempt(handler, std::slice::from_ref(&event), batch, limit).await;
    failed
        .into_iter()
        .next()
        .map_or(Ok(()), |(_, failure)| Err(failure.reason))
}
