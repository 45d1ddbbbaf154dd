//! An event handler's store in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use tokio::time::Instant;
use uuid::Uuid;

use super::projection::parked_at_present;
use super::{Gate, MemoryLog, lock};
use crate::event_handler::{Claim, EventHandlerStore, LEASE, LaneParked, Moved, ParkLane, Role, ToPark};
use crate::log::{LogReader, Source};
use crate::names::{Checkpoint, Position};
use crate::parking::{Block, Cause, PARKED_MOST, ParkedEvent};
use crate::pipeline::EventsPerSecond;
use crate::process_manager::Registration;

#[derive(Default)]
struct Data {
    checkpoint: Option<Checkpoint>,
    claims: HashMap<Role, Held>,
    parked: BTreeMap<Position, ParkedEvent>,
    rate: Option<EventsPerSecond>,
}

struct Held {
    holder: Uuid,
    until: Instant,
    wanted: bool,
}

impl Data {
    fn holds(&self, role: Role, holder: Uuid) -> bool {
        let claim = self.claims.get(&role);
        claim.is_some_and(|claim| claim.holder == holder && claim.until > Instant::now())
    }
}

/// Registration, checkpoint, claims and parked events in memory. Clones share them.
#[derive(Clone)]
pub struct MemoryEventHandlerStore {
    log: MemoryLog,
    data: Arc<Mutex<Data>>,
    gate: Gate,
}

impl MemoryEventHandlerStore {
    /// A store of a handler of this log that never started.
    pub fn new(log: &MemoryLog) -> Self {
        Self {
            log: log.clone(),
            data: Arc::default(),
            gate: Gate::default(),
        }
    }

    /// Pauses and resumes it.
    pub fn gate(&self) -> Gate {
        self.gate.clone()
    }

    /// Orders a rate in place of the handler's own limit, which `None` puts in force again.
    pub fn order_rate(&self, rate: Option<EventsPerSecond>) {
        lock(&self.data).rate = rate;
    }

    /// The rate that is ordered.
    pub fn ordered_rate(&self) -> Option<EventsPerSecond> {
        lock(&self.data).rate
    }
}

impl EventHandlerStore for MemoryEventHandlerStore {
    async fn load(&self) -> Result<Registration, Source> {
        Ok(Registration::in_memory(self.gate.closed(), lock(&self.data).checkpoint))
    }

    async fn register(&self, at: Checkpoint) -> Result<(), Source> {
        lock(&self.data).checkpoint.get_or_insert(at);
        Ok(())
    }

    async fn claim(&self, role: Role, holder: Uuid, wants: bool) -> Result<Claim, Source> {
        if role == Role::Run
            && let Some(reason) = self.gate.closed()
        {
            return Ok(Claim::StandBy(reason));
        }
        let now = Instant::now();
        let mut data = lock(&self.data);
        let free = Held {
            holder,
            until: now,
            wanted: false,
        };
        let claim = data.claims.entry(role).or_insert(free);
        if claim.holder != holder && claim.until > now {
            claim.wanted |= wants;
            return Ok(Claim::Elsewhere);
        }
        let wanted = claim.wanted && claim.holder == holder && claim.until > now;
        *claim = Held {
            holder,
            until: now + LEASE,
            wanted: false,
        };
        Ok(Claim::Held { wanted })
    }

    async fn rate(&self) -> Result<Option<EventsPerSecond>, Source> {
        Ok(self.ordered_rate())
    }

    async fn release(&self, role: Role, holder: Uuid) -> Result<(), Source> {
        let mut data = lock(&self.data);
        if data.claims.get(&role).is_some_and(|claim| claim.holder == holder) {
            data.claims.remove(&role);
        }
        Ok(())
    }

    async fn advance(&self, holder: Uuid, from: Checkpoint, to: Checkpoint) -> Result<Moved, Source> {
        let slice = self.log.read(to.position, 1).await?;
        let mut data = lock(&self.data);
        let stored = data.checkpoint.unwrap_or_default();
        if !data.holds(Role::Run, holder) {
            return Ok(Moved::Lost);
        }
        if stored != from || slice.anchor != Some(to.event_id) {
            return Ok(Moved::Elsewhere(stored));
        }
        data.checkpoint = Some(to);
        Ok(Moved::Done)
    }

    async fn park(&self, holder: Uuid, lane: &ParkLane) -> Result<LaneParked, Source> {
        let mut data = lock(&self.data);
        if !data.holds(Role::Run, holder) {
            return Ok(LaneParked::Lost);
        }
        let only_behind = lane.events.iter().all(|event| event.cause == Cause::Behind);
        if only_behind && !data.parked.values().any(|parked| parked.stream == lane.stream) {
            return Ok(LaneParked::Free);
        }
        if data.parked.len() + lane.events.len() > PARKED_MOST {
            return Ok(LaneParked::TooMany);
        }
        for ToPark {
            position,
            cause,
            reason,
        } in lane.events.clone()
        {
            let blocks = vec![Block::stream(&lane.stream)];
            let parked = parked_at_present(position, lane.stream.clone(), blocks, cause, reason);
            data.parked.entry(position).or_insert(parked);
        }
        Ok(LaneParked::Done)
    }

    async fn parked(&self) -> Result<Vec<ParkedEvent>, Source> {
        Ok(lock(&self.data).parked.values().cloned().collect())
    }

    async fn count_parked(&self) -> Result<(u64, Position), Source> {
        let data = lock(&self.data);
        let mut undecodable = data
            .parked
            .values()
            .rev()
            .filter(|parked| parked.cause == Cause::Undecodable);
        let newest = undecodable.next().map_or(Position::START, |parked| parked.position);
        Ok((data.parked.len() as u64, newest))
    }

    async fn unpark(&self, position: Position) -> Result<(), Source> {
        lock(&self.data).parked.remove(&position);
        Ok(())
    }

    async fn note_failed_retry(&self, position: Position, reason: &str) -> Result<(), Source> {
        if let Some(parked) = lock(&self.data).parked.get_mut(&position) {
            parked.retry_failed(reason);
        }
        Ok(())
    }

    async fn discard(&self, position: Position, _because: &str) -> Result<Option<ParkedEvent>, Source> {
        Ok(lock(&self.data).parked.remove(&position))
    }

    async fn halt(&self, reason: &str) -> Result<(), Source> {
        self.gate.halt(reason);
        Ok(())
    }
}
