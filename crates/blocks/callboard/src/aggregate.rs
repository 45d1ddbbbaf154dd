//! Aggregates and live models: the states that decisions are made on.

use std::any::{Any, TypeId};

use crate::event::Log;

/// The state of one stream. `evolve` is pure, never fails and never decides.
pub trait Aggregate: Default + Clone + Send + Sync + 'static {
    /// The log of its streams.
    type Log: Log;

    /// Takes in the next event of the stream.
    fn evolve(&mut self, event: &<Self::Log as Log>::Event);
}

/// A state folded over a whole log and kept on the command side, for rules over many streams.
///
/// It is cloned whenever a command reads it after another command of the same batch has recorded
/// something, so hold large parts behind `Arc`s or in persistent maps. `evolve` is pure and never
/// fails.
pub trait LiveModel: Default + Clone + Send + Sync + 'static {
    /// The log that it follows.
    type Log: Log;

    /// Takes in the next event of the log.
    fn evolve(&mut self, event: &<Self::Log as Log>::Event);
}

/// A state whose type was erased once, by [`Kept`].
pub(crate) trait State<L: Log>: Send + Sync {
    fn evolve(&mut self, event: &L::Event);
    fn clone_box(&self) -> Box<dyn State<L>>;
    fn as_any(&self) -> &dyn Any;
}

/// The one place where a state's type is forgotten.
struct Kept<S, F>(S, F);

impl<L, S, F> State<L> for Kept<S, F>
where
    L: Log,
    S: Clone + Send + Sync + 'static,
    F: Fn(&mut S, &L::Event) + Copy + Send + Sync + 'static,
{
    fn evolve(&mut self, event: &L::Event) {
        (self.1)(&mut self.0, event);
    }

    fn clone_box(&self) -> Box<dyn State<L>> {
        Box::new(Kept(self.0.clone(), self.1))
    }

    fn as_any(&self) -> &dyn Any {
        &self.0
    }
}

/// Names a type of state and makes an empty one.
pub(crate) struct StateType<L: Log> {
    pub(crate) id: TypeId,
    pub(crate) name: &'static str,
    pub(crate) empty: fn() -> Box<dyn State<L>>,
}

impl<L: Log> Clone for StateType<L> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<L: Log> Copy for StateType<L> {}

impl<L: Log> StateType<L> {
    pub(crate) fn aggregate<A: Aggregate<Log = L>>() -> Self {
        Self {
            id: TypeId::of::<A>(),
            name: std::any::type_name::<A>(),
            empty: || Box::new(Kept(A::default(), A::evolve)),
        }
    }

    /// No state, only the stream's version.
    pub(crate) fn version_only() -> Self {
        Self {
            id: TypeId::of::<()>(),
            name: "()",
            empty: || Box::new(Kept((), |_: &mut (), _: &L::Event| ())),
        }
    }

    pub(crate) fn model<M: LiveModel<Log = L>>() -> Self {
        Self {
            id: TypeId::of::<M>(),
            name: std::any::type_name::<M>(),
            empty: || Box::new(Kept(M::default(), M::evolve)),
        }
    }
}
