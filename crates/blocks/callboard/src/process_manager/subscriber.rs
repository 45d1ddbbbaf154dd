//! A process manager as a subscriber: fold, react, store checkpoint and commands together.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::Notify;

use crate::event::{Log, Recorded};
use crate::log::{LogReader, Source};
use crate::names::{Checkpoint, Position};
use crate::panic_text;
use crate::process_manager::{Advanced, PendingCommand, ProcessManager, ProcessManagerStore, Registration};
use crate::subscription::{Applied, BATCH_MAX_EVENTS, Lock, Subscriber, SubscriberError, behind};

/// A transaction ends behind the event with which it holds so many commands, or a long catch-up would
/// gather all of its commands in memory and store them in one statement.
const BATCH_COMMANDS: usize = 10_000;

type EventOf<M> = <<M as ProcessManager>::Log as Log>::Event;

/// What was decided but couldn't be stored yet: stored first, before anything else is folded.
struct Unsaved {
    from: Checkpoint,
    to: Checkpoint,
    commands: Vec<PendingCommand>,
    events: usize,
}

/// Runs a [`ProcessManager`] on its store.
pub struct ProcessManagerSubscriber<M: ProcessManager, S, R> {
    store: S,
    reader: R,
    state: M::State,
    /// What `state` has folded.
    folded: Checkpoint,
    unsaved: Option<Unsaved>,
    wake: Arc<Notify>,
}

impl<M: ProcessManager, S: ProcessManagerStore, R: LogReader> ProcessManagerSubscriber<M, S, R> {
    /// The process manager on this store; `wake` is told when there are commands to dispatch.
    pub fn new(store: S, reader: R, wake: Arc<Notify>) -> Self {
        Self {
            store,
            reader,
            state: M::State::default(),
            folded: Checkpoint::START,
            unsaved: None,
            wake,
        }
    }

    fn transient(source: impl Into<Source>) -> SubscriberError {
        SubscriberError::Transient {
            subscriber: M::NAME,
            source: source.into(),
        }
    }

    fn permanent(position: Position, source: impl Into<Source>) -> SubscriberError {
        SubscriberError::Permanent {
            subscriber: M::NAME,
            position,
            source: source.into(),
        }
    }

    async fn load(&self) -> Result<Checkpoint, SubscriberError> {
        self.store.load().await.map_err(Self::transient)?.checkpoint(M::NAME)
    }

    /// Brings the state to `to` without reacting: what was reacted to before, by whomever.
    async fn fold_to(&mut self, to: Checkpoint) -> Result<(), SubscriberError> {
        let ahead = self.folded.position > to.position;
        if ahead || (self.folded.position == to.position && self.folded != to) {
            self.forget();
        }
        while self.folded.position < to.position {
            let missing = (to.position.get() - self.folded.position.get()).min(BATCH_MAX_EVENTS as u64);
            let limit = usize::try_from(missing).unwrap_or(BATCH_MAX_EVENTS);
            let slice = self
                .reader
                .read(self.folded.position, limit)
                .await
                .map_err(Self::transient)?;
            if slice.anchor != Some(self.folded.event_id) {
                self.forget();
                return Err(Self::transient("the log changed under the fold: it begins anew"));
            }
            if slice.events.is_empty() {
                let reason = "its checkpoint is beyond the log's head: the log was put back; a rebuild is needed";
                return Err(Self::permanent(to.position, reason));
            }
            for event in &slice.events {
                let event = event.decode().map_err(|error| Self::permanent(event.position, error))?;
                self.evolve(&event)?;
            }
        }
        if self.folded != to {
            self.forget();
            let reason = "the log has another event at its checkpoint: another timeline; a rebuild is needed";
            return Err(Self::permanent(to.position, reason));
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.state = M::State::default();
        self.folded = Checkpoint::START;
    }

    fn evolve(&mut self, event: &Recorded<EventOf<M>>) -> Result<(), SubscriberError> {
        let evolved = catch_unwind(AssertUnwindSafe(|| M::evolve(&mut self.state, event)));
        if let Err(panic) = evolved {
            // The state may be half changed.
            self.forget();
            return Err(Self::permanent(event.position, panic_text(&*panic)));
        }
        self.folded = event.checkpoint();
        Ok(())
    }

    fn react(&self, event: &Recorded<EventOf<M>>) -> Result<Vec<PendingCommand>, SubscriberError> {
        let reaction = catch_unwind(AssertUnwindSafe(|| M::react(&self.state, event)))
            .map_err(|panic| Self::permanent(event.position, panic_text(&*panic)))?;
        reaction
            .into_commands()
            .zip(0..)
            .map(|(command, index)| {
                let (name, body) = command.map_err(|error| Self::permanent(event.position, error))?;
                Ok(PendingCommand {
                    position: event.position,
                    index,
                    name: name.into(),
                    body,
                    causation_id: event.id,
                    correlation_id: event.metadata.correlation_id.clone(),
                    traceparent: event.metadata.traceparent.clone(),
                })
            })
            .collect()
    }

    /// Stores what is unsaved; the checkpoint where it ended up.
    async fn save(&mut self, lock: Lock) -> Result<Option<Applied>, SubscriberError> {
        let Some(unsaved) = &self.unsaved else { return Ok(None) };
        let Unsaved {
            from,
            to,
            commands,
            events,
        } = unsaved;
        let advanced = self
            .store
            .advance(*from, *to, commands, lock)
            .await
            .map_err(Self::transient)?;
        let applied = match advanced {
            Advanced::Done => {
                if !commands.is_empty() {
                    metrics::counter!("callboard_process_manager_commands_total", "name" => M::NAME)
                        .increment(commands.len() as u64);
                    self.wake.notify_one();
                }
                Applied::Moved {
                    checkpoint: *to,
                    events: *events,
                }
            }
            Advanced::Elsewhere(checkpoint) => {
                // Maybe this very try had been stored and its answer lost.
                self.wake.notify_one();
                Applied::NotNext { checkpoint }
            }
            Advanced::Busy => Applied::Busy,
        };
        self.unsaved = None;
        Ok(Some(applied))
    }
}

impl<M: ProcessManager, S: ProcessManagerStore, R: LogReader> Subscriber for ProcessManagerSubscriber<M, S, R> {
    type Log = M::Log;

    fn name(&self) -> &'static str {
        M::NAME
    }

    /// At the very first start it registers at the head: it never back-fills commands.
    async fn start(&mut self) -> Result<Checkpoint, SubscriberError> {
        self.unsaved = None;
        if self.store.load().await.map_err(Self::transient)? == Registration::Unregistered {
            let head = self.reader.head().await.map_err(Self::transient)?;
            self.store.register(head).await.map_err(Self::transient)?;
        }
        let checkpoint = self.load().await?;
        self.fold_to(checkpoint).await?;
        Ok(checkpoint)
    }

    async fn checkpoint(&mut self) -> Result<Checkpoint, SubscriberError> {
        self.load().await
    }

    async fn apply(&mut self, events: &[Recorded<EventOf<M>>], lock: Lock) -> Result<Applied, SubscriberError> {
        // A try whose answer was lost is repeated first; if it had been stored, the checkpoint says so.
        self.save(lock).await?;
        let from = self.load().await?;
        let Some(fresh) = behind(from, events) else {
            return Ok(Applied::NotNext { checkpoint: from });
        };
        let Some(last) = fresh.last().map(Recorded::checkpoint) else {
            return Ok(Applied::Moved {
                checkpoint: from,
                events: 0,
            });
        };
        self.fold_to(from).await?;
        let (mut from, mut commands, mut events) = (from, Vec::new(), 0);
        // On an error nothing since the last transaction is stored; the next fold begins anew where the
        // state ran ahead.
        for event in fresh {
            self.evolve(event)?;
            commands.extend(self.react(event)?);
            events += 1;
            let to = event.checkpoint();
            if to == last || commands.len() >= BATCH_COMMANDS {
                self.unsaved = Some(Unsaved {
                    from,
                    to,
                    commands: std::mem::take(&mut commands),
                    events: std::mem::take(&mut events),
                });
                match self.save(lock).await? {
                    Some(Applied::Moved { .. }) => from = to,
                    other => return Ok(other.unwrap_or(Applied::Busy)),
                }
            }
        }
        Ok(Applied::Moved {
            checkpoint: last,
            events: fresh.len(),
        })
    }

    async fn halt(&mut self, reason: &str) -> Result<(), SubscriberError> {
        self.store.halt(reason).await.map_err(Self::transient)
    }
}
