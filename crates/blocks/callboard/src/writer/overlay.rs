//! The overlay: what a batch changes, until it is recorded.

use std::any::TypeId;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::aggregate::State;
use crate::event::Log;
use crate::log::NewEvent;
use crate::names::{StreamName, Version};
use crate::panic_text;
use crate::writer::cache::{Cache, FastMap, StreamEntry};

/// Clones of the states that a batch's commands have changed so far, and the events behind it.
pub(crate) struct Overlay<L: Log> {
    streams: FastMap<StreamName, StreamEntry<L>>,
    /// Each with the number of the batch's events that it has taken in.
    models: FastMap<TypeId, (usize, Box<dyn State<L>>)>,
    typed: Vec<L::Event>,
    pub(crate) events: Vec<NewEvent>,
}

impl<L: Log> Overlay<L> {
    pub(crate) fn new() -> Self {
        Self {
            streams: FastMap::default(),
            models: FastMap::default(),
            typed: Vec::new(),
            events: Vec::new(),
        }
    }

    fn entry<'a>(&'a self, cache: &'a Cache<L>, stream: &StreamName) -> &'a StreamEntry<L> {
        self.streams
            .get(stream)
            .or_else(|| cache.stream(stream))
            .expect("what a command reads was loaded before its decision and isn't evicted within a batch")
    }

    pub(crate) fn version(&self, cache: &Cache<L>, stream: &StreamName) -> Version {
        self.entry(cache, stream).version
    }

    pub(crate) fn aggregate<'a>(&'a self, cache: &'a Cache<L>, stream: &StreamName, id: TypeId) -> &'a dyn State<L> {
        self.entry(cache, stream)
            .state(id)
            .expect("a stream is loaded as every type that the batch reads it as")
    }

    pub(crate) fn model<'a>(&'a self, cache: &'a Cache<L>, id: TypeId) -> &'a dyn State<L> {
        if let Some((_, model)) = self.models.get(&id) {
            return &**model;
        }
        match cache.model(id) {
            Some(Ok(model)) => &**model,
            _ => unreachable!("`bring_model` refused the command before"),
        }
    }

    /// Makes a live model ready for the next decision: as of the batch's last event.
    pub(crate) fn bring_model(&mut self, cache: &Cache<L>, id: TypeId, name: &str) -> Result<(), String> {
        let kept = match cache.model(id) {
            Some(Ok(kept)) => kept,
            Some(Err(reason)) => return Err(format!("the live model {name} can't be folded: {reason}")),
            None => return Err(format!("the live model {name} isn't registered with the router")),
        };
        if self.typed.is_empty() {
            return Ok(());
        }
        let (seen, model) = self.models.remove(&id).unwrap_or_else(|| (0, kept.clone_box()));
        let typed = &self.typed[seen..];
        // A panic leaves nothing half-changed behind: the clone goes with it.
        let brought = catch_unwind(AssertUnwindSafe(move || {
            let mut model = model;
            typed.iter().for_each(|event| model.evolve(event));
            model
        }));
        let model = brought.map_err(|panic| format!("the live model {name} panicked: {}", panic_text(&*panic)))?;
        self.models.insert(id, (self.typed.len(), model));
        Ok(())
    }

    /// Takes in a decision's event. A panic of `evolve` leaves the overlay useless: drop it.
    pub(crate) fn record(&mut self, cache: &Cache<L>, event: NewEvent, typed: L::Event) {
        let entry = self.streams.entry(event.stream.clone()).or_insert_with(|| {
            cache
                .stream(&event.stream)
                .expect("the streams of a decision were checked against its reads")
                .clone_entry()
        });
        entry.evolve(&typed);
        debug_assert_eq!(entry.version, event.version, "versions count up");
        self.events.push(event);
        self.typed.push(typed);
    }

    pub(crate) fn typed_events(&self) -> impl Iterator<Item = &L::Event> {
        self.typed.iter()
    }

    pub(crate) fn into_streams(self) -> FastMap<StreamName, StreamEntry<L>> {
        self.streams
    }
}
