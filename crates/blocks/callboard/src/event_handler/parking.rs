//! What people do with a handler's parked events: list, hand over again, discard.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use uuid::Uuid;

use super::{Claim, EventHandler, EventHandlerStore, RENEW_EVERY, Role};
use crate::error_chain;
use crate::event::{Log, Recorded};
use crate::log::{LogReader, Source};
use crate::names::Position;
use crate::parking::{ParkedEvent, Parking, Retried, RetryOutcome, waiting_for_code};
use crate::pipeline::attempt_one;

/// The parked events of `H`. A retry hands a group to the handler again, in order and in the process
/// that is asked; what is handled is parked no more, also when a later one of the group fails.
pub struct HandlerParking<H, S, R> {
    handler: Option<Arc<H>>,
    store: S,
    reader: R,
}

/// Why a group isn't handled to its end.
enum GroupError {
    /// At this event; whether the handler was asked, and what it said.
    Failed {
        at: Position,
        asked: bool,
        reason: String,
    },
    Other(Source),
}

impl<E: Into<Source>> From<E> for GroupError {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

impl<H: EventHandler, S: EventHandlerStore, R: LogReader> HandlerParking<H, S, R> {
    /// The parked events in this store; without a handler, where its settings switch it off, they can
    /// be listed and discarded, not retried.
    pub fn new(handler: Option<Arc<H>>, store: S, reader: R) -> Self {
        Self { handler, store, reader }
    }

    /// Hands over the groups that wait for nothing but code like this, if this is it.
    pub(super) async fn take_up(&self) {
        if let Err(error) = self.try_take_up().await {
            let error = error_chain(error.as_ref());
            tracing::warn!(
                log = H::Log::NAME,
                subscriber = H::NAME,
                error,
                "parked events can't be taken up yet"
            );
        }
    }

    async fn try_take_up(&self) -> Result<(), Source> {
        let parked = self.store.parked().await?;
        for group in waiting_for_code(&parked) {
            let mut known = true;
            for parked in &group {
                let event = self.read(parked.position).await?;
                known &= event.decode::<<H::Log as Log>::Event>().is_ok();
            }
            if known {
                let Retried { positions, outcome } = self.retry_group(&group, false).await?;
                tracing::info!(
                    log = H::Log::NAME,
                    subscriber = H::NAME,
                    ?positions,
                    ?outcome,
                    "took up parked events"
                );
            }
        }
        Ok(())
    }

    async fn read(&self, position: Position) -> Result<Recorded, Source> {
        let before = Position::new(position.get().saturating_sub(1));
        let event = self.reader.read(before, 1).await?.events.into_iter().next();
        let event = event.filter(|event| event.position == position);
        event.ok_or_else(|| format!("the log has no position {position}: it was put back").into())
    }

    async fn retry_group(&self, group: &[&ParkedEvent], dry_run: bool) -> Result<Retried, Source> {
        let holder = Uuid::new_v4();
        let mut positions: Vec<Position> = group.iter().map(|parked| parked.position).collect();
        let handled = if dry_run {
            self.check_group(group).await
        } else {
            let handled = self.hand_over(group, holder, &mut positions).await;
            self.store.release(Role::Retry, holder).await?;
            handled
        };
        let outcome = match handled {
            Ok(()) if dry_run => RetryOutcome::WouldApply,
            Ok(()) => RetryOutcome::Applied,
            Err(GroupError::Failed { at, asked, reason }) => {
                if asked {
                    self.store.note_failed_retry(at, &reason).await?;
                }
                RetryOutcome::Failed { position: at, reason }
            }
            Err(GroupError::Other(error)) => return Err(error),
        };
        Ok(Retried { positions, outcome })
    }

    /// Whether each event of a group can be handed over at all.
    async fn check_group(&self, group: &[&ParkedEvent]) -> Result<(), GroupError> {
        for parked in group {
            self.decoded(parked.position).await?;
        }
        Ok(())
    }

    async fn decoded(&self, at: Position) -> Result<Recorded<<H::Log as Log>::Event>, GroupError> {
        let event = self.read(at).await?;
        event.decode().map_err(|error| GroupError::Failed {
            at,
            asked: false,
            reason: error_chain(&error),
        })
    }

    /// Hands over a group and whatever is parked behind it meanwhile, one event after another.
    async fn hand_over(
        &self,
        group: &[&ParkedEvent],
        holder: Uuid,
        positions: &mut Vec<Position>,
    ) -> Result<(), GroupError> {
        let Some(handler) = &self.handler else {
            return Err(GroupError::Other("the handler is switched off here".into()));
        };
        let limit = handler.pipeline().time_limit;
        let stream = &group[0].stream;
        loop {
            if self.store.claim(Role::Retry, holder, false).await? == Claim::Elsewhere {
                return Err(GroupError::Other("another retry is under way".into()));
            }
            let parked = self.store.parked().await?;
            let Some(next) = parked.into_iter().find(|parked| parked.stream == *stream) else {
                return Ok(());
            };
            let at = next.position;
            if !positions.contains(&at) {
                positions.push(at);
            }
            let event = self.decoded(at).await?;
            let handled = tokio::select! {
                handled = attempt_one(&**handler, event, limit) => handled,
                () = self.renew(holder) => return Err(GroupError::Other("the claim on the retry is lost".into())),
            };
            handled.map_err(|reason| GroupError::Failed {
                at,
                asked: true,
                reason,
            })?;
            self.store.unpark(at).await?;
        }
    }

    /// Keeps the claim on the retry; ends when it is lost.
    async fn renew(&self, holder: Uuid) {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            if matches!(self.store.claim(Role::Retry, holder, false).await, Ok(Claim::Elsewhere)) {
                return;
            }
        }
    }
}

impl<H: EventHandler, S: EventHandlerStore, R: LogReader> Parking for HandlerParking<H, S, R> {
    fn log(&self) -> &'static str {
        H::Log::NAME
    }

    fn subscriber(&self) -> &'static str {
        H::NAME
    }

    fn parked(&self) -> BoxFuture<'_, Result<Vec<ParkedEvent>, Source>> {
        self.store.parked().boxed()
    }

    fn replay<'a>(&'a self, group: &'a [&'a ParkedEvent], dry_run: bool) -> BoxFuture<'a, Result<Retried, Source>> {
        self.retry_group(group, dry_run).boxed()
    }

    fn give_up<'a>(&'a self, at: Position, reason: &'a str) -> BoxFuture<'a, Result<Option<ParkedEvent>, Source>> {
        self.store.discard(at, reason).boxed()
    }
}
