//! What people do with a process manager's parked events: list, retry, discard.

use std::marker::PhantomData;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::folded::{Folded, Unfit};
use super::{PendingCommand, ProcessManager, ProcessManagerStore, TakeUp};
use crate::error_chain;
use crate::event::Log;
use crate::log::{LogReader, Source};
use crate::names::{Position, StreamName};
use crate::parking::{ParkedEvent, Parking, Retried, RetryOutcome, waiting_for_code};
use crate::subscription::BATCH_MAX_EVENTS;

/// How often a retry begins anew because something else was parked or discarded meanwhile.
const TRIES: usize = 3;

/// The parked events of `M`. A retry folds the log from its beginning, with the group that is retried,
/// and stores what each event of it calls for: the commands are the ones that it would have called for
/// then. It takes as long as a start of the process manager does.
pub struct ManagerParking<M, S, R> {
    store: S,
    reader: R,
    manager: PhantomData<fn() -> M>,
}

/// Why a group can't be retried.
enum GroupError {
    Unfit { at: Position, source: Source },
    Other(Source),
}

impl<E: Into<Source>> From<E> for GroupError {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

fn unfit(Unfit { at, source }: Unfit) -> GroupError {
    GroupError::Unfit { at, source }
}

impl<M: ProcessManager, S: ProcessManagerStore, R: LogReader> ManagerParking<M, S, R> {
    /// The parked events in this store.
    pub fn new(store: S, reader: R) -> Self {
        let manager = PhantomData;
        Self { store, reader, manager }
    }

    /// Retries the groups that wait for nothing but code like this.
    pub(super) async fn take_up(&self) -> Result<(), Source> {
        let parked = self.store.left_out().await?.parked;
        for group in waiting_for_code(&parked) {
            let mut positions = Vec::new();
            // What still can't be decoded stays as it is.
            match self.stored(&group[0].stream, false, &mut positions).await {
                Ok(()) => tracing::info!(
                    log = M::Log::NAME,
                    subscriber = M::NAME,
                    ?positions,
                    "took up parked events"
                ),
                Err(GroupError::Unfit { .. }) => {}
                Err(GroupError::Other(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Folds the log with this group; what its events call for.
    async fn react(&self, group: &[Position], left_out: &[Position]) -> Result<Vec<PendingCommand>, GroupError> {
        let mut folded = Folded::<M>::default();
        let mut commands = Vec::new();
        let last = group.last().copied().unwrap_or_default();
        while folded.at().position < last {
            let at = folded.at();
            let slice = self.reader.read(at.position, BATCH_MAX_EVENTS).await?;
            if slice.anchor != Some(at.event_id) || slice.events.is_empty() {
                return Err("the log was put back".into());
            }
            for event in slice.events.iter().take_while(|event| event.position <= last) {
                let retried = group.contains(&event.position);
                if !retried && left_out.binary_search(&event.position).is_ok() {
                    folded.leave_out(event.checkpoint());
                    continue;
                }
                let event = folded.take_in(event).map_err(unfit)?;
                if retried {
                    commands.extend(folded.react(&event).map_err(unfit)?);
                }
            }
        }
        Ok(commands)
    }

    /// Stores what the parked events of a stream call for, and unparks them; a dry run only finds out
    /// whether it could. They stand in `group`, also when it fails.
    async fn stored(&self, stream: &StreamName, dry_run: bool, group: &mut Vec<Position>) -> Result<(), GroupError> {
        for _ in 0..TRIES {
            let left_out = self.store.left_out().await?;
            let parked = left_out.parked.iter().filter(|parked| parked.stream == *stream);
            *group = parked.map(|parked| parked.position).collect();
            let left_out = left_out.positions();
            let commands = self.react(group, &left_out).await?;
            let take_up = TakeUp {
                positions: group,
                commands: &commands,
                left_out: &left_out,
            };
            if dry_run || self.store.take_up(take_up).await? {
                return Ok(());
            }
        }
        Err("other events are parked or discarded all the time".into())
    }

    async fn retry_stream(&self, stream: &StreamName, dry_run: bool) -> Result<Retried, Source> {
        let mut positions = Vec::new();
        let outcome = match self.stored(stream, dry_run, &mut positions).await {
            Ok(()) if dry_run => RetryOutcome::WouldApply,
            Ok(()) => RetryOutcome::Applied,
            Err(GroupError::Unfit { at, source }) => {
                let reason = error_chain(source.as_ref());
                if !dry_run && positions.contains(&at) {
                    self.store.note_failed_retry(at, &reason).await?;
                }
                RetryOutcome::Failed { position: at, reason }
            }
            Err(GroupError::Other(error)) => return Err(error),
        };
        Ok(Retried { positions, outcome })
    }
}

impl<M: ProcessManager, S: ProcessManagerStore, R: LogReader> Parking for ManagerParking<M, S, R> {
    fn log(&self) -> &'static str {
        M::Log::NAME
    }

    fn subscriber(&self) -> &'static str {
        M::NAME
    }

    fn parked(&self) -> BoxFuture<'_, Result<Vec<ParkedEvent>, Source>> {
        async { Ok(self.store.left_out().await?.parked) }.boxed()
    }

    fn replay<'a>(&'a self, group: &'a [&'a ParkedEvent], dry_run: bool) -> BoxFuture<'a, Result<Retried, Source>> {
        // What blocks one another is what shares a stream.
        self.retry_stream(&group[0].stream, dry_run).boxed()
    }

    fn give_up<'a>(&'a self, at: Position, reason: &'a str) -> BoxFuture<'a, Result<Option<ParkedEvent>, Source>> {
        self.store.discard(at, reason).boxed()
    }
}
