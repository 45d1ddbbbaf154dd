//! The world: the one consistent state that a command is authorized and decided on.

use std::any::TypeId;

use crate::aggregate::{Aggregate, LiveModel};
use crate::command::Reads;
use crate::event::Log;
use crate::names::{StreamName, Version};
use crate::writer::cache::Cache;
use crate::writer::overlay::Overlay;

/// Every aggregate and live model that a command reads, all exactly as of one position.
///
/// Touching what the command's `reads` doesn't declare is a bug and panics: the test kit reports
/// it, a service answers 500 for that one command.
pub struct World<'a, L: Log> {
    pub(crate) cache: &'a Cache<L>,
    pub(crate) overlay: &'a Overlay<L>,
    pub(crate) reads: &'a Reads<L>,
}

impl<L: Log> World<'_, L> {
    /// The aggregate on this stream; its default when the stream has no events.
    pub fn aggregate<A: Aggregate<Log = L>>(&self, stream: &StreamName) -> &A {
        let id = TypeId::of::<A>();
        let declared = self
            .reads
            .streams
            .iter()
            .any(|(read, state)| read == stream && state.id == id);
        let name = std::any::type_name::<A>();
        assert!(declared, "the command doesn't declare that it reads {stream} as {name}");
        self.overlay
            .aggregate(self.cache, stream, id)
            .as_any()
            .downcast_ref()
            .expect("states are kept under their own type")
    }

    /// The version of a stream; [`Version::NONE`] when it has no events.
    pub fn version(&self, stream: &StreamName) -> Version {
        let declared = self.reads.streams.iter().any(|(read, _)| read == stream);
        assert!(declared, "the command doesn't declare that it reads {stream}");
        self.overlay.version(self.cache, stream)
    }

    /// The live model.
    pub fn model<M: LiveModel<Log = L>>(&self) -> &M {
        let id = TypeId::of::<M>();
        let name = std::any::type_name::<M>();
        assert!(
            self.reads.models.iter().any(|state| state.id == id),
            "the command doesn't declare that it reads {name}"
        );
        self.overlay
            .model(self.cache, id)
            .as_any()
            .downcast_ref()
            .expect("states are kept under their own type")
    }
}
