//! The cache: everything in it is exactly as of one position.

use std::any::TypeId;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use lru::LruCache;

use crate::aggregate::{State, StateType};
use crate::event::{Event, Log, Recorded};
use crate::log::{LogReader, ReadError, StreamEvents};
use crate::names::{Checkpoint, Position, StreamName, Version};
use crate::writer::overlay::Overlay;
use crate::{error_chain, panic_text};

/// How many events one read of a load or a follow takes.
pub(crate) const PAGE: usize = 1_000;

/// A stream's version and the states folded from it.
pub(crate) struct StreamEntry<L: Log> {
    pub(crate) version: Version,
    pub(crate) states: Vec<(TypeId, Box<dyn State<L>>)>,
}

impl<L: Log> StreamEntry<L> {
    pub(crate) fn state(&self, id: TypeId) -> Option<&dyn State<L>> {
        self.states
            .iter()
            .find(|(kept, _)| *kept == id)
            .map(|(_, state)| &**state)
    }

    pub(crate) fn evolve(&mut self, event: &L::Event) {
        self.version = self.version.next();
        for (_, state) in &mut self.states {
            state.evolve(event);
        }
    }

    pub(crate) fn clone_entry(&self) -> Self {
        let states = self.states.iter().map(|(id, state)| (*id, state.clone_box())).collect();
        Self {
            version: self.version,
            states,
        }
    }
}

/// A live model, or why it can't be folded.
pub(crate) type Model<L> = Result<Box<dyn State<L>>, String>;

/// Aggregates, known absences and live models of one log, all as of `at`.
pub(crate) struct Cache<L: Log> {
    pub(crate) at: Checkpoint,
    streams: LruCache<StreamName, StreamEntry<L>>,
    models: HashMap<TypeId, Model<L>>,
    types: Vec<StateType<L>>,
    capacity: usize,
}

/// A map that hashes as fast as the cache does, which has the same names for keys.
pub(crate) type FastMap<K, V> = HashMap<K, V, lru::DefaultHasher>;

/// Streams that can't be folded by this code, with the reason.
pub(crate) type Unreadable = HashMap<StreamName, String>;

impl<L: Log> Cache<L> {
    /// An empty cache before the first event.
    pub(crate) fn new(models: &[StateType<L>], capacity: usize) -> Self {
        Self {
            at: Checkpoint::START,
            streams: LruCache::unbounded(),
            models: models.iter().map(|model| (model.id, Ok((model.empty)()))).collect(),
            types: models.to_vec(),
            capacity,
        }
    }

    /// Brings everything to the head, page after page: dropping the future keeps what was read. A head of
    /// another timeline empties the cache first.
    pub(crate) async fn catch_up<R: LogReader>(&mut self, reader: &R) -> Result<(), ReadError> {
        loop {
            if self.at == Checkpoint::START && self.models.is_empty() {
                self.empty();
                self.at = reader.head().await?;
                return Ok(());
            }
            let slice = reader.read(self.at.position, PAGE).await?;
            if slice.anchor != Some(self.at.event_id) {
                self.forget();
                continue;
            }
            self.follow(&slice.events);
            if !slice.more {
                return Ok(());
            }
        }
    }

    /// Drops everything: the log is of another timeline than what was read before.
    fn forget(&mut self) {
        let position = self.at.position.get();
        tracing::error!(
            log = L::NAME,
            position,
            "the log was put back to another timeline: the writer starts anew"
        );
        self.empty();
    }

    fn empty(&mut self) {
        *self = Self::new(&self.types, self.capacity);
    }

    pub(crate) fn stream(&self, stream: &StreamName) -> Option<&StreamEntry<L>> {
        self.streams.peek(stream)
    }

    pub(crate) fn model(&self, id: TypeId) -> Option<&Model<L>> {
        self.models.get(&id)
    }

    /// Whether a stream is here as this type; it counts as used.
    pub(crate) fn has(&mut self, stream: &StreamName, id: TypeId) -> bool {
        self.streams.get(stream).is_some_and(|entry| entry.state(id).is_some())
    }

    /// Loads what is missing of these streams, as of `at`: history is immutable, so that is exact.
    /// `None`, and nothing is loaded, when the log has another event there, or none: it was put back, and
    /// may come to hold `at` again when a batch of the lost timeline is repeated.
    pub(crate) async fn load<R: LogReader>(
        &mut self,
        reader: &R,
        reads: impl Iterator<Item = (StreamName, StateType<L>)>,
    ) -> Result<Option<Unreadable>, ReadError> {
        let mut loading: HashMap<StreamName, StreamEntry<L>> = HashMap::new();
        for (stream, state) in reads {
            if !self.has(&stream, state.id) {
                let entry = loading.entry(stream).or_insert(StreamEntry {
                    version: Version::NONE,
                    states: Vec::new(),
                });
                if entry.state(state.id).is_none() {
                    entry.states.push((state.id, (state.empty)()));
                }
            }
        }
        let mut unreadable = Unreadable::new();
        if !self.fold_streams(reader, &mut loading, &mut unreadable).await? {
            return Ok(None);
        }
        for (stream, mut loaded) in loading {
            if let Some(cached) = self.streams.pop(&stream) {
                loaded.states.extend(cached.states);
            }
            self.streams.put(stream, loaded);
        }
        Ok(Some(unreadable))
    }

    /// False when the log doesn't hold `at`.
    async fn fold_streams<R: LogReader>(
        &self,
        reader: &R,
        loading: &mut HashMap<StreamName, StreamEntry<L>>,
        unreadable: &mut Unreadable,
    ) -> Result<bool, ReadError> {
        if self.at.position == Position::START {
            return Ok(true);
        }
        let mut wanted: Vec<_> = loading.keys().cloned().map(|stream| (stream, Version::NONE)).collect();
        wanted.sort();
        while !wanted.is_empty() {
            let read = reader.read_streams(&wanted, self.at.position, PAGE).await?;
            if read.anchor != Some(self.at.event_id) {
                return Ok(false);
            }
            let StreamEvents { events, more, .. } = read;
            let last = events.last().map(|event| (event.stream.clone(), event.version));
            for event in events {
                if unreadable.contains_key(&event.stream) {
                    continue;
                }
                if let Some(entry) = loading.get_mut(&event.stream)
                    && let Err(reason) = decode_and(&event, |decoded| entry.evolve(decoded))
                {
                    loading.remove(&event.stream);
                    unreadable.insert(event.stream.clone(), reason);
                }
            }
            let Some((stream, version)) = last.filter(|_| more) else {
                break;
            };
            // Ordered by stream: everything before the last one is complete.
            wanted.retain(|(name, _)| *name >= stream);
            if let Some(first) = wanted.first_mut() {
                first.1 = version;
            }
        }
        Ok(true)
    }

    /// Takes in events that others recorded. They follow `at` without a gap.
    pub(crate) fn follow(&mut self, events: &[Recorded]) {
        for event in events {
            debug_assert_eq!(event.position, self.at.position.next(), "the log is gapless");
            self.at = event.checkpoint();
            if let Some(entry) = self.streams.peek_mut(&event.stream)
                && decode_and(event, |decoded| entry.evolve(decoded)).is_err()
            {
                // Whoever reads the stream next loads it and gets the reason.
                self.streams.pop(&event.stream);
            }
            for model in self.models.values_mut() {
                if let Ok(state) = model
                    && let Err(reason) = decode_and(event, |decoded| state.evolve(decoded))
                {
                    tracing::error!(log = L::NAME, position = %event.position, reason, "a live model can't follow the log");
                    *model = Err(reason);
                }
            }
        }
    }

    /// Takes in a batch of our own after it was recorded up to `at`.
    pub(crate) fn absorb(&mut self, overlay: Overlay<L>, at: Checkpoint) {
        self.at = at;
        for model in self.models.values_mut() {
            if let Ok(state) = model {
                let evolved = catch_unwind(AssertUnwindSafe(|| {
                    overlay.typed_events().for_each(|event| state.evolve(event));
                }));
                if let Err(panic) = evolved {
                    let reason = panic_text(&*panic);
                    tracing::error!(log = L::NAME, up_to = %at.position, reason, "a live model can't follow the log");
                    *model = Err(reason);
                }
            }
        }
        for (stream, entry) in overlay.into_streams() {
            self.streams.put(stream, entry);
        }
    }

    /// Forgets the streams that weren't used for longest. Never called while a batch uses them.
    pub(crate) fn evict(&mut self) {
        while self.streams.len() > self.capacity {
            self.streams.pop_lru();
        }
    }

    /// The versions in the cache, for tests that compare it with a fresh fold.
    #[cfg(test)]
    pub(crate) fn streams(&self) -> impl Iterator<Item = (&StreamName, &StreamEntry<L>)> {
        self.streams.iter()
    }
}

/// Decodes an event and evolves with it; why it can't be done, where it can't.
fn decode_and<L>(event: &Recorded, evolve: impl FnOnce(&L)) -> Result<(), String>
where
    L: Event,
{
    let decoded = event
        .event
        .decode::<L>()
        .map_err(|error| format!("position {}: {}", event.position, error_chain(&error)))?;
    catch_unwind(AssertUnwindSafe(|| evolve(&decoded)))
        .map_err(|panic| format!("position {}: evolve panicked: {}", event.position, panic_text(&*panic)))
}
