//! A projection in memory, kept by the very same folds as one in a database.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use tokio::sync::watch;

use super::{Gate, lock};
use crate::event::Recorded;
use crate::log::Source;
use crate::names::{Checkpoint, Position, StreamName};
use crate::parking::{
    Block, Cause, OnFailure, PARKED_MOST, ParkedEvent, Parted, Retried, RetryOutcome, Selection, TOO_MANY,
    UNKNOWN_KEYS, behind_reason, blocks_of, blocks_of_raw, groups, part, waiting_for_code,
};
use crate::projection::{EventOf, FoldPanic, Projection, fold, keys_of};
use crate::subscription::{Applied, Lock, Subscriber, SubscriberError, behind, beside};

/// A projection with its rows and checkpoint in memory; clones share them. It is both the
/// subscriber that keeps the view and the store that queries read.
pub struct MemoryProjection<P: Projection> {
    pub(super) table: Arc<Table<P>>,
}

pub(super) struct Table<P: Projection> {
    pub(super) state: Mutex<State<P>>,
    pub(super) checkpoint: watch::Sender<Checkpoint>,
    gate: Gate,
}

pub(super) struct State<P: Projection> {
    pub(super) rows: BTreeMap<P::Key, P::Row>,
    pub(super) parked: BTreeMap<Position, Kept<EventOf<P>>>,
}

/// A parked event with what a retry needs.
pub(super) struct Kept<E> {
    pub(super) parked: ParkedEvent,
    event: Form<E>,
}

enum Form<E> {
    Raw(Recorded),
    Decoded(Recorded<E>),
}

impl<P: Projection> Clone for MemoryProjection<P> {
    fn clone(&self) -> Self {
        Self {
            table: self.table.clone(),
        }
    }
}

impl<P: Projection> Default for MemoryProjection<P> {
    fn default() -> Self {
        Self {
            table: Arc::new(Table {
                state: Mutex::new(State {
                    rows: BTreeMap::new(),
                    parked: BTreeMap::new(),
                }),
                checkpoint: watch::Sender::new(Checkpoint::START),
                gate: Gate::default(),
            }),
        }
    }
}

impl<P: Projection> MemoryProjection<P> {
    /// An empty view before the first event.
    pub fn new() -> Self {
        Self::default()
    }

    /// Pauses and resumes it.
    pub fn gate(&self) -> Gate {
        self.table.gate.clone()
    }

    fn stored(&self) -> Result<Checkpoint, SubscriberError> {
        match self.table.gate.closed() {
            Some(reason) => Err(SubscriberError::StandBy {
                subscriber: P::NAME,
                reason,
            }),
            None => Ok(*self.table.checkpoint.borrow()),
        }
    }

    /// Replays the group of the event at this position; a failure leaves it as it was.
    pub(super) fn replay_group(&self, at: Position, dry_run: bool) -> Retried {
        let mut state = lock(&self.table.state);
        let parked = state.parked();
        let group = groups(&parked, Selection::At(at)).into_iter().flatten();
        let positions: Vec<Position> = group.map(|parked| parked.position).collect();
        let outcome = match state.replay(&positions, dry_run) {
            Ok(()) if dry_run => RetryOutcome::WouldApply,
            Ok(()) => RetryOutcome::Applied,
            Err((position, reason)) => RetryOutcome::Failed { position, reason },
        };
        Retried { positions, outcome }
    }
}

impl<P: Projection> State<P> {
    pub(super) fn parked(&self) -> Vec<ParkedEvent> {
        self.parked.values().map(|kept| kept.parked.clone()).collect()
    }

    /// The rows of these events afterwards; nothing is changed yet.
    fn folded(&self, events: &[Recorded<EventOf<P>>]) -> Result<HashMap<P::Key, Option<P::Row>>, FoldPanic> {
        let before = keys_of::<P>(events)?
            .into_iter()
            .filter_map(|key| self.rows.get(&key).cloned().map(|row| (key, row)))
            .collect();
        fold::<P>(before, events)
    }

    fn write(&mut self, folded: HashMap<P::Key, Option<P::Row>>) {
        for (key, row) in folded {
            match row {
                Some(row) => self.rows.insert(key, row),
                None => self.rows.remove(&key),
            };
        }
    }

    /// What of a run may be applied, and what must wait; `None` while nothing is parked.
    fn part(&self, events: &[Recorded<EventOf<P>>]) -> Result<Option<Parted<EventOf<P>>>, FoldPanic> {
        if self.parked.is_empty() {
            return Ok(None);
        }
        let blocks = events.iter().map(blocks_of::<P>).collect::<Result<Vec<_>, _>>()?;
        let blocked: HashSet<Block> = self
            .parked
            .values()
            .flat_map(|kept| kept.parked.blocks.clone())
            .collect();
        Ok(Some(part::<P::Log>(events, blocks, blocked)))
    }

    fn park_behind(&mut self, behind: Vec<(Recorded<EventOf<P>>, Vec<Block>)>) {
        let parked = self.parked();
        for (event, blocks) in behind {
            let reason = behind_reason(&blocks, &parked);
            let parked = parked_now(&event, blocks, Cause::Behind, reason);
            let event = Form::Decoded(event);
            self.parked.insert(parked.position, Kept { parked, event });
        }
    }

    fn replay(&mut self, positions: &[Position], dry_run: bool) -> Result<(), (Position, String)> {
        let events = self.decoded(positions)?;
        match self.folded(&events) {
            Ok(_) if dry_run => Ok(()),
            Ok(folded) => {
                self.write(folded);
                self.parked.retain(|position, _| !positions.contains(position));
                Ok(())
            }
            Err(panic) => {
                let reason = panic.to_string();
                if let Some(kept) = self.parked.get_mut(&panic.position).filter(|_| !dry_run) {
                    kept.parked.retry_failed(&reason);
                }
                Err((panic.position, reason))
            }
        }
    }

    fn decoded(&self, positions: &[Position]) -> Result<Vec<Recorded<EventOf<P>>>, (Position, String)> {
        let kept = positions.iter().filter_map(|position| self.parked.get(position));
        let decode = |kept: &Kept<EventOf<P>>| match &kept.event {
            Form::Decoded(event) => Ok(event.clone()),
            Form::Raw(event) => event
                .decode()
                .map_err(|error| (event.position, crate::error_chain(&error))),
        };
        kept.map(decode).collect()
    }

    /// Takes up the groups that wait for nothing but code like this.
    fn take_up(&mut self) {
        let parked = self.parked();
        for group in waiting_for_code(&parked) {
            let positions: Vec<Position> = group.iter().map(|parked| parked.position).collect();
            // What still can't be decoded stays as it is.
            let _ = self.replay(&positions, false);
        }
    }
}

fn parked_now<E>(event: &Recorded<E>, blocks: Vec<Block>, cause: Cause, reason: String) -> ParkedEvent {
    parked_at_present(event.position, event.stream.clone(), blocks, cause, reason)
}

/// An event that is parked in this moment.
pub(super) fn parked_at_present(
    position: Position,
    stream: StreamName,
    blocks: Vec<Block>,
    cause: Cause,
    reason: String,
) -> ParkedEvent {
    ParkedEvent {
        position,
        stream,
        blocks,
        cause,
        reason,
        parked_at: Timestamp::now(),
        tries: 0,
    }
}

fn permanent<P: Projection>(position: Position, source: impl Into<Source>) -> SubscriberError {
    SubscriberError::Permanent {
        subscriber: P::NAME,
        position,
        source: source.into(),
    }
}

impl<P: Projection> Subscriber for MemoryProjection<P> {
    type Log = P::Log;

    fn name(&self) -> &'static str {
        P::NAME
    }

    async fn start(&mut self) -> Result<Checkpoint, SubscriberError> {
        self.stored()
    }

    async fn checkpoint(&mut self) -> Result<Checkpoint, SubscriberError> {
        self.stored()
    }

    async fn apply(&mut self, events: &[Recorded<EventOf<P>>], _lock: Lock) -> Result<Applied, SubscriberError> {
        // The state's lock stands for the checkpoint's row lock.
        let mut state = lock(&self.table.state);
        let checkpoint = self.stored()?;
        let Some(fresh) = behind(checkpoint, events) else {
            return Ok(Applied::NotNext { checkpoint });
        };
        let failed = |panic: FoldPanic| permanent::<P>(panic.position, panic);
        let parted = state.part(fresh).map_err(failed)?;
        let (free, behind) = parted.map_or((None, Vec::new()), |Parted { free, behind }| (Some(free), behind));
        if state.parked.len() + behind.len() > PARKED_MOST {
            return Err(permanent::<P>(behind[0].0.position, TOO_MANY));
        }
        let folded = state.folded(free.as_deref().unwrap_or(fresh)).map_err(failed)?;
        state.write(folded);
        state.park_behind(behind);
        let checkpoint = fresh.last().map_or(checkpoint, Recorded::checkpoint);
        self.table.checkpoint.send_replace(checkpoint);
        Ok(Applied::Moved {
            checkpoint,
            events: fresh.len(),
        })
    }

    fn on_failure(&self) -> OnFailure {
        P::ON_FAILURE
    }

    async fn park(
        &mut self,
        event: &Recorded,
        cause: Cause,
        reason: &str,
        _lock: Lock,
    ) -> Result<Applied, SubscriberError> {
        let mut state = lock(&self.table.state);
        let checkpoint = self.stored()?;
        if let Some(applied) = beside(checkpoint, event) {
            return Ok(applied);
        }
        let blocks = blocks_of_raw::<P>(event).ok_or_else(|| permanent::<P>(event.position, UNKNOWN_KEYS))?;
        if state.parked.len() >= PARKED_MOST {
            return Err(permanent::<P>(event.position, TOO_MANY));
        }
        let parked = parked_now(event, blocks, cause, reason.into());
        let kept = Form::Raw(event.clone());
        state.parked.insert(event.position, Kept { parked, event: kept });
        let checkpoint = event.checkpoint();
        self.table.checkpoint.send_replace(checkpoint);
        Ok(Applied::Moved { checkpoint, events: 1 })
    }

    async fn look_after_parked(&mut self) -> Result<u64, SubscriberError> {
        self.stored()?;
        let mut state = lock(&self.table.state);
        state.take_up();
        Ok(state.parked.len() as u64)
    }

    async fn halt(&mut self, reason: &str) -> Result<(), SubscriberError> {
        self.table.gate.halt(reason);
        Ok(())
    }
}
