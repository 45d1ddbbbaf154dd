//! A log in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use tokio::sync::{Mutex as Gate, OwnedMutexGuard};
use uuid::Uuid;

use super::lock;
use crate::event::{Json, Recorded};
use crate::log::{
    Append, AppendError, Appended, Fingerprint, IdempotencyKey, KnownKey, LockedLog, LogReader, LogStore, ReadError,
    Slice, StreamEvents, Turn,
};
use crate::names::{Checkpoint, Position, StreamName, Version};

#[derive(Default)]
struct Data {
    events: Vec<Recorded>,
    streams: HashMap<StreamName, Vec<usize>>,
    keys: HashMap<IdempotencyKey, (Fingerprint, Json)>,
}

/// A log in memory: gone with the process. Clones share it.
#[derive(Clone, Default)]
pub struct MemoryLog {
    data: Arc<Mutex<Data>>,
    gate: Arc<Gate<()>>,
    turns: Arc<Gate<()>>,
}

impl MemoryLog {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts the log back to an earlier head, as a restored backup does. For tests.
    pub fn put_back_to(&self, head: Position) {
        let mut data = lock(&self.data);
        let kept = usize::try_from(head.get()).unwrap_or(usize::MAX);
        data.events.truncate(kept);
        data.streams
            .values_mut()
            .for_each(|places| places.retain(|place| *place < kept));
        data.keys.retain(|_, (_, receipt)| {
            let receipt: Option<crate::Receipt> = serde_json::from_str(receipt.get()).ok();
            receipt.is_some_and(|receipt| receipt.position <= head)
        });
    }
}

impl Data {
    fn head(&self) -> Checkpoint {
        self.events.last().map_or(Checkpoint::START, Recorded::checkpoint)
    }

    fn id_at(&self, position: Position) -> Option<Uuid> {
        match position.get() {
            0 => Some(Uuid::nil()),
            number => self.events.get(usize::try_from(number - 1).ok()?).map(|event| event.id),
        }
    }

    fn read(&self, after: Position, limit: usize) -> Slice {
        let from = usize::try_from(after.get()).unwrap_or(usize::MAX);
        let events: Vec<_> = self.events.iter().skip(from).take(limit).cloned().collect();
        Slice {
            anchor: self.id_at(after),
            more: events.len() == limit,
            events,
        }
    }

    fn append(&mut self, append: &Append) -> Result<Appended, AppendError> {
        let first = append.expected.position.next();
        if let Some(event) = append.events.first()
            && self.id_at(first) == Some(event.id)
        {
            let place = usize::try_from(append.expected.position.get()).unwrap_or(usize::MAX);
            return Ok(Appended::Done {
                recorded_at: self.events[place].recorded_at,
            });
        }
        let known: Vec<_> = append
            .keys
            .iter()
            .enumerate()
            .filter_map(|(index, key)| {
                let (fingerprint, receipt) = self.keys.get(&key.key)?;
                Some(KnownKey {
                    index,
                    fingerprint: *fingerprint,
                    receipt: receipt.clone(),
                })
            })
            .collect();
        if !known.is_empty() {
            return Ok(Appended::KnownKeys(known));
        }
        if self.head() != append.expected {
            return Ok(Appended::HeadMoved(self.head()));
        }
        self.check_versions(append)?;
        Ok(self.record(append))
    }

    fn check_versions(&self, append: &Append) -> Result<(), AppendError> {
        let mut versions: HashMap<&StreamName, u64> = HashMap::new();
        for event in &append.events {
            let version = versions
                .entry(&event.stream)
                .or_insert_with(|| self.streams.get(&event.stream).map_or(0, |places| places.len() as u64));
            *version += 1;
            if event.version != Version::new(*version) {
                let reason = format!("{} has no place for version {}", event.stream, event.version);
                return Err(AppendError::Rejected(reason.into()));
            }
        }
        Ok(())
    }

    fn record(&mut self, append: &Append) -> Appended {
        // Microseconds, as a database keeps them.
        let recorded_at = Timestamp::from_microsecond(Timestamp::now().as_microsecond()).expect("it was one before");
        for recorded in append.recorded(recorded_at) {
            self.streams
                .entry(recorded.stream.clone())
                .or_default()
                .push(self.events.len());
            self.events.push(recorded);
        }
        for key in &append.keys {
            if let Some(receipt) = &key.receipt {
                self.keys.insert(key.key.clone(), (key.fingerprint, receipt.clone()));
            }
        }
        Appended::Done { recorded_at }
    }
}

impl LogReader for MemoryLog {
    async fn head(&self) -> Result<Checkpoint, ReadError> {
        Ok(lock(&self.data).head())
    }

    async fn read(&self, after: Position, limit: usize) -> Result<Slice, ReadError> {
        Ok(lock(&self.data).read(after, limit))
    }

    async fn read_streams(
        &self,
        streams: &[(StreamName, Version)],
        up_to: Position,
        limit: usize,
    ) -> Result<StreamEvents, ReadError> {
        let data = lock(&self.data);
        let mut wanted: Vec<_> = streams.iter().collect();
        wanted.sort();
        let events: Vec<_> = wanted
            .into_iter()
            .filter_map(|(stream, after)| Some((data.streams.get(stream)?, *after)))
            .flat_map(|(places, after)| {
                places
                    .iter()
                    .map(|place| &data.events[*place])
                    .filter(move |event| event.version > after)
            })
            .filter(|event| event.position <= up_to)
            .take(limit)
            .cloned()
            .collect();
        Ok(StreamEvents {
            more: events.len() == limit,
            events,
            anchor: data.id_at(up_to),
        })
    }
}

impl LogStore for MemoryLog {
    type Locked = LockedMemoryLog;
    type Turn = MemoryTurn;

    async fn append(&self, append: &Append) -> Result<Appended, AppendError> {
        let _gate = self.gate.lock().await;
        lock(&self.data).append(append)
    }

    async fn lock(&self) -> Result<LockedMemoryLog, AppendError> {
        Ok(LockedMemoryLog {
            log: self.clone(),
            _gate: self.gate.clone().lock_owned().await,
        })
    }

    async fn take_turn(&self, after: Position, limit: usize) -> Result<Option<(MemoryTurn, Slice)>, ReadError> {
        let turn = MemoryTurn {
            log: self.clone(),
            _turn: self.turns.clone().lock_owned().await,
        };
        let slice = self.read(after, limit).await?;
        Ok(Some((turn, slice)))
    }
}

/// A [`MemoryLog`] whose head stands still.
pub struct LockedMemoryLog {
    log: MemoryLog,
    _gate: OwnedMutexGuard<()>,
}

impl LockedLog for LockedMemoryLog {
    async fn read(&mut self, after: Position, limit: usize) -> Result<Slice, AppendError> {
        Ok(lock(&self.log.data).read(after, limit))
    }

    async fn append(self, append: &Append) -> Result<Appended, AppendError> {
        lock(&self.log.data).append(append)
    }
}

/// A turn among the writers of a [`MemoryLog`].
pub struct MemoryTurn {
    log: MemoryLog,
    _turn: OwnedMutexGuard<()>,
}

impl Turn for MemoryTurn {
    async fn append(self, append: &Append) -> Result<Appended, AppendError> {
        self.log.append(append).await
    }
}
