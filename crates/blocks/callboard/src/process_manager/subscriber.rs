//! A process manager as a subscriber: fold, react, store checkpoint and commands together.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::folded::{Folded, Unfit};
use crate::event::{Log, Recorded};
use crate::log::{LogReader, Source};
use crate::names::{Checkpoint, Position, StreamName};
use crate::parking::{Cause, OnFailure, PARKED_MOST, TOO_MANY};
use crate::process_manager::{
    Advance, Advanced, LeftOut, ManagerParking, PendingCommand, ProcessManager, ProcessManagerStore, Registration,
    ToPark,
};
use crate::subscription::{Applied, BATCH_MAX_EVENTS, Lock, Subscriber, SubscriberError, behind, beside};

/// A transaction ends behind the event with which it holds so many commands, or a long catch-up would
/// gather all of its commands in memory and store them in one statement.
const BATCH_COMMANDS: usize = 10_000;

/// How far apart checkpoints are stored at the least, unless there are commands to store with them or many events
/// wait. Nothing waits for such a checkpoint but the next event's commands, and storing one costs as much as an append.
const CHECKPOINTS_APART: Duration = Duration::from_millis(50);

type EventOf<M> = <<M as ProcessManager>::Log as Log>::Event;

/// What was decided but couldn't be stored yet: stored first, before anything else is folded.
struct Unsaved {
    from: Checkpoint,
    to: Checkpoint,
    commands: Vec<PendingCommand>,
    parked: Vec<ToPark>,
    /// What the state had left out.
    left_out: Vec<Position>,
    events: usize,
}

/// What the state leaves out, as last read.
#[derive(Default)]
struct Without {
    /// In order.
    positions: Vec<Position>,
    parked: usize,
    /// The first that is parked of each stream.
    streams: HashMap<StreamName, Position>,
}

impl From<LeftOut> for Without {
    fn from(left_out: LeftOut) -> Self {
        let mut streams = HashMap::new();
        for parked in &left_out.parked {
            streams.entry(parked.stream.clone()).or_insert(parked.position);
        }
        Self {
            positions: left_out.positions(),
            parked: left_out.parked.len(),
            streams,
        }
    }
}

impl Without {
    fn has(&self, position: Position) -> bool {
        self.positions.binary_search(&position).is_ok()
    }

    /// The positions up to this one.
    fn up_to(&self, position: Position) -> &[Position] {
        &self.positions[..self.positions.partition_point(|left_out| *left_out <= position)]
    }

    /// These are parked now; all stand behind what was before.
    fn add(&mut self, parked: &[ToPark]) {
        self.parked += parked.len();
        for ToPark { position, stream, .. } in parked {
            self.positions.push(*position);
            self.streams.entry(stream.clone()).or_insert(*position);
        }
    }
}

/// Runs a [`ProcessManager`] on its store.
pub struct ProcessManagerSubscriber<M: ProcessManager, S, R> {
    store: S,
    reader: R,
    folded: Folded<M>,
    without: Without,
    unsaved: Option<Unsaved>,
    /// Its own last commit, if nothing else is known of the checkpoint since.
    stands: Option<Checkpoint>,
    /// When a checkpoint without commands may be stored again.
    store_from: Instant,
    /// The newest undecodable event when the parked ones were taken up last.
    looked_at: Option<Position>,
    wake: Arc<Notify>,
}

impl<M: ProcessManager, S: ProcessManagerStore, R: LogReader> ProcessManagerSubscriber<M, S, R> {
    /// The process manager on this store; `wake` is told when there are commands to dispatch.
    pub fn new(store: S, reader: R, wake: Arc<Notify>) -> Self {
        Self {
            store,
            reader,
            folded: Folded::default(),
            without: Without::default(),
            unsaved: None,
            stands: None,
            store_from: Instant::now(),
            looked_at: None,
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

    fn unfit(unfit: Unfit) -> SubscriberError {
        Self::permanent(unfit.at, unfit.source)
    }

    async fn load(&self) -> Result<Checkpoint, SubscriberError> {
        self.store.load().await.map_err(Self::transient)?.checkpoint(M::NAME)
    }

    /// Reads what is left out; the fold begins anew where it would be another one.
    async fn read_left_out(&mut self) -> Result<LeftOut, SubscriberError> {
        let left_out = self.store.left_out().await.map_err(Self::transient)?;
        let without = Without::from(left_out.clone());
        let folded = self.folded.at().position;
        if without.up_to(folded) != self.without.up_to(folded) {
            self.folded = Folded::default();
        }
        self.without = without;
        Ok(left_out)
    }

    /// Brings the state to `to` without reacting: what was reacted to before, by whomever.
    async fn fold_to(&mut self, to: Checkpoint) -> Result<(), SubscriberError> {
        let folded = self.folded.at();
        if folded.position > to.position || (folded.position == to.position && folded != to) {
            self.folded = Folded::default();
        }
        while self.folded.at().position < to.position {
            let missing = (to.position.get() - self.folded.at().position.get()).min(BATCH_MAX_EVENTS as u64);
            let limit = usize::try_from(missing).unwrap_or(BATCH_MAX_EVENTS);
            let at = self.folded.at();
            let slice = self.reader.read(at.position, limit).await.map_err(Self::transient)?;
            if slice.anchor != Some(at.event_id) {
                self.folded = Folded::default();
                return Err(Self::transient("the log changed under the fold: it begins anew"));
            }
            if slice.events.is_empty() {
                let reason = "its checkpoint is beyond the log's head: the log was put back; a rebuild is needed";
                return Err(Self::permanent(to.position, reason));
            }
            for event in &slice.events {
                if self.without.has(event.position) {
                    self.folded.leave_out(event.checkpoint());
                } else {
                    self.folded.take_in(event).map_err(Self::unfit)?;
                }
            }
        }
        if self.folded.at() != to {
            self.folded = Folded::default();
            let reason = "the log has another event at its checkpoint: another timeline; a rebuild is needed";
            return Err(Self::permanent(to.position, reason));
        }
        Ok(())
    }

    /// Folds an event and reacts, or says that it must wait behind what is parked.
    fn take(&mut self, event: &Recorded<EventOf<M>>, unsaved: &mut Unsaved) -> Result<(), SubscriberError> {
        if let Some(first) = self.without.streams.get(&event.stream) {
            if self.without.parked + unsaved.parked.len() >= PARKED_MOST {
                return Err(Self::permanent(event.position, TOO_MANY));
            }
            unsaved.parked.push(ToPark {
                position: event.position,
                stream: event.stream.clone(),
                cause: Cause::Behind,
                reason: format!("waits behind position {first}"),
            });
            self.folded.leave_out(event.checkpoint());
        } else {
            self.folded.evolve(event).map_err(Self::unfit)?;
            unsaved.commands.extend(self.folded.react(event).map_err(Self::unfit)?);
        }
        unsaved.to = event.checkpoint();
        unsaved.events += 1;
        Ok(())
    }

    /// Nothing decided yet.
    fn nothing_from(&self, from: Checkpoint) -> Unsaved {
        Unsaved {
            from,
            to: from,
            commands: Vec::new(),
            parked: Vec::new(),
            left_out: self.without.positions.clone(),
            events: 0,
        }
    }

    /// Stores what is unsaved; the checkpoint where it ended up.
    async fn save(&mut self, lock: Lock) -> Result<Option<Applied>, SubscriberError> {
        let Some(unsaved) = &self.unsaved else { return Ok(None) };
        let advance = Advance {
            from: unsaved.from,
            to: unsaved.to,
            commands: &unsaved.commands,
            parked: &unsaved.parked,
            left_out: &unsaved.left_out,
        };
        self.stands = None;
        let advanced = self.store.advance(advance, lock).await.map_err(Self::transient)?;
        let applied = match advanced {
            Advanced::Done => {
                self.stands = Some(unsaved.to);
                let commands = unsaved.commands.len();
                if commands > 0 {
                    metrics::counter!("callboard_process_manager_commands_total", "name" => M::NAME)
                        .increment(commands as u64);
                    self.wake.notify_one();
                }
                self.without.add(&unsaved.parked);
                Applied::Moved {
                    checkpoint: unsaved.to,
                    events: unsaved.events,
                }
            }
            Advanced::Elsewhere(checkpoint) => {
                // Maybe this very try had been stored and its answer lost.
                self.wake.notify_one();
                self.read_left_out().await?;
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
        (self.unsaved, self.stands) = (None, None);
        if self.store.load().await.map_err(Self::transient)? == Registration::Unregistered {
            let head = self.reader.head().await.map_err(Self::transient)?;
            self.store.register(head).await.map_err(Self::transient)?;
        }
        let checkpoint = self.load().await?;
        self.read_left_out().await?;
        self.fold_to(checkpoint).await?;
        Ok(checkpoint)
    }

    async fn checkpoint(&mut self) -> Result<Checkpoint, SubscriberError> {
        self.load().await
    }

    async fn apply(&mut self, events: &[Recorded<EventOf<M>>], lock: Lock) -> Result<Applied, SubscriberError> {
        // A try whose answer was lost is repeated first; if it had been stored, the checkpoint says so.
        self.save(lock).await?;
        let from = match self.stands.filter(|stands| behind(*stands, events).is_some()) {
            Some(stands) => stands,
            None => self.load().await?,
        };
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
        let mut decided = self.nothing_from(from);
        // On an error nothing since the last transaction is stored; the next fold begins anew where the
        // state ran ahead.
        for event in fresh {
            self.take(event, &mut decided)?;
            if decided.to == last || decided.commands.len() >= BATCH_COMMANDS {
                let to = decided.to;
                // Who has about as many events as one transaction takes is behind, and would stay so.
                let is_behind = events.len() >= BATCH_MAX_EVENTS / 2;
                if decided.commands.is_empty() && decided.parked.is_empty() && !is_behind {
                    tokio::time::sleep_until(self.store_from).await;
                    self.store_from = Instant::now() + CHECKPOINTS_APART;
                }
                self.unsaved = Some(decided);
                match self.save(lock).await? {
                    Some(Applied::Moved { .. }) => decided = self.nothing_from(to),
                    other => return Ok(other.unwrap_or(Applied::Busy)),
                }
            }
        }
        Ok(Applied::Moved {
            checkpoint: last,
            events: fresh.len(),
        })
    }

    fn on_failure(&self) -> OnFailure {
        M::ON_FAILURE
    }

    async fn park(
        &mut self,
        event: &Recorded,
        cause: Cause,
        reason: &str,
        lock: Lock,
    ) -> Result<Applied, SubscriberError> {
        self.save(lock).await?;
        let from = self.load().await?;
        if let Some(applied) = beside(from, event) {
            return Ok(applied);
        }
        if self.without.parked >= PARKED_MOST {
            return Err(Self::permanent(event.position, TOO_MANY));
        }
        let mut decided = self.nothing_from(from);
        decided.to = event.checkpoint();
        decided.events = 1;
        decided.parked.push(ToPark {
            position: event.position,
            stream: event.stream.clone(),
            cause,
            reason: reason.into(),
        });
        self.unsaved = Some(decided);
        Ok(self.save(lock).await?.unwrap_or(Applied::Busy))
    }

    async fn look_after_parked(&mut self) -> Result<u64, SubscriberError> {
        let left_out = self.read_left_out().await?;
        let undecodable = |parked: &&crate::parking::ParkedEvent| parked.cause == Cause::Undecodable;
        let newest = left_out
            .parked
            .iter()
            .rev()
            .find(undecodable)
            .map(|parked| parked.position);
        if newest.is_none() || newest == self.looked_at {
            return Ok(left_out.parked.len() as u64);
        }
        let parking = ManagerParking::<M, _, _>::new(self.store.clone(), self.reader.clone());
        parking.take_up().await.map_err(Self::transient)?;
        self.looked_at = newest;
        self.wake.notify_one();
        Ok(self.read_left_out().await?.parked.len() as u64)
    }

    async fn halt(&mut self, reason: &str) -> Result<(), SubscriberError> {
        self.store.halt(reason).await.map_err(Self::transient)
    }

    async fn halt_at_unknown(&mut self, position: Position, reason: &str) -> Result<(), SubscriberError> {
        let stored = self.store.halt_at_unknown(position, reason).await;
        stored.map_err(Self::transient)
    }

    async fn halted_at_unknown(&mut self) -> Result<Option<Position>, SubscriberError> {
        self.store.halted_at_unknown().await.map_err(Self::transient)
    }

    async fn resume_at_unknown(&mut self, position: Position) -> Result<(), SubscriberError> {
        self.store.resume_at_unknown(position).await.map_err(Self::transient)
    }
}
