//! Commands: one intent each, decided on one consistent state.

use std::cell::Cell;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::aggregate::{Aggregate, LiveModel, StateType};
use crate::event::{EventType, Log};
use crate::names::StreamName;
use crate::world::World;

/// One intent. A plain serde struct; everything about it stands in this one place.
///
/// ```
/// # use callboard::{Aggregate, Command, Decision, Event, EventType, Json, Log, Moment, RawEvent, DecodeError, Reads, Refusal, Route, StreamName, World, to_json};
/// # #[derive(Clone, serde::Serialize, serde::Deserialize)]
/// # struct Opened;
/// # impl Event for Opened {
/// #     const TYPES: &'static [EventType] = &[EventType::new("Opened", 1)];
/// #     fn event_type(&self) -> EventType { Self::TYPES[0] }
/// #     fn encode(&self) -> Result<Json, serde_json::Error> { to_json(self) }
/// #     fn decode(raw: &RawEvent) -> Result<Self, DecodeError> { raw.data() }
/// # }
/// # struct Doors;
/// # impl Log for Doors { const NAME: &'static str = "doors"; type Event = Opened; }
/// # #[derive(Default, Clone)]
/// # struct Door { open: bool }
/// # impl Aggregate for Door { type Log = Doors; fn evolve(&mut self, _: &Opened) { self.open = true; } }
/// #[derive(Clone, serde::Serialize, serde::Deserialize)]
/// struct OpenDoor { door: u32 }
///
/// impl Command for OpenDoor {
///     type Log = Doors;
///     const NAME: &'static str = "OpenDoor";
///     const ROUTE: Route = Route {
///         aggregate: "Door",
///         stream: "door-{door}",
///         events: Opened::TYPES,
///         refusals: &["door-open"],
///     };
///
///     fn stream(&self) -> StreamName {
///         StreamName::of("door", self.door)
///     }
///
///     fn reads(&self) -> Reads<Doors> {
///         Reads::of::<Door>(self.stream())
///     }
///
///     fn decide(&self, world: &World<'_, Doors>, _at: &Moment) -> Result<Decision<Opened>, Refusal> {
///         if world.aggregate::<Door>(&self.stream()).open {
///             return Err(Refusal::rule("door-open", "The door is open already."));
///         }
///         Ok(Decision::event(Opened))
///     }
/// }
/// # let spec = callboard::spec::Spec::<Doors>::new();
/// # spec.when(OpenDoor { door: 1 }).then_types(&["Opened"]);
/// ```
pub trait Command: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// The log that it writes to.
    type Log: Log;
    /// The wire name, an order such as `ShipProductQuantity`.
    const NAME: &'static str;
    /// Where it goes and what may come of it, for lists of routes. The test kit holds it to that.
    const ROUTE: Route;

    /// The command's own stream: the default stream of its events, and what `If-Match`, `ETag` and
    /// the receipt's version mean.
    fn stream(&self) -> StreamName;

    /// What is loaded before the decision. Touching or writing anything else is a bug, which
    /// panics in tests and answers 500 in production.
    fn reads(&self) -> Reads<Self::Log>;

    /// Whether the actor may do it, on the very state that the decision sees. Yes by default.
    ///
    /// # Errors
    /// [`Forbidden`] with the reason.
    fn authorize(&self, world: &World<'_, Self::Log>, at: &Moment) -> Result<(), Forbidden> {
        let _ = (world, at);
        Ok(())
    }

    /// The business rules. Pure: time, ids and the actor come in `at`.
    ///
    /// # Errors
    /// A [`Refusal`] that names the rule.
    fn decide(&self, world: &World<'_, Self::Log>, at: &Moment)
    -> Result<Decision<<Self::Log as Log>::Event>, Refusal>;
}

/// Where a command goes and what may come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The aggregate that decides it, e.g. `Product`.
    pub aggregate: &'static str,
    /// The name of the command's own stream, with what varies in braces, e.g. `product-{sku}`.
    pub stream: &'static str,
    /// The events that it may record, on whatever stream.
    pub events: &'static [EventType],
    /// The names of the rules that may refuse it.
    pub refusals: &'static [&'static str],
}

/// The actor's answer "no", with the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Forbidden {
    /// Why, for people.
    pub reason: String,
}

impl Forbidden {
    /// Forbidden for this reason.
    pub fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

/// A business rule's no: an answer, not a fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// What kind of no.
    pub kind: RefusalKind,
    /// The rule's stable name, in kebab-case: the last part of the problem's `type`.
    pub rule: &'static str,
    /// For people.
    pub detail: String,
}

/// What kind of no a refusal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// A rule says no.
    Rule,
    /// What the command is about isn't there.
    NotFound,
}

impl Refusal {
    /// A rule says no.
    pub fn rule(rule: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: RefusalKind::Rule,
            rule,
            detail: detail.into(),
        }
    }

    /// What the command is about isn't there.
    pub fn not_found(rule: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: RefusalKind::NotFound,
            rule,
            detail: detail.into(),
        }
    }
}

/// Who sends a command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Actor {
    /// Who, in at most 255 visible characters; `None` is anonymous.
    pub id: Option<Arc<str>>,
    /// The organisation that the actor acts in; scopes its idempotency keys.
    pub organisation: Option<Arc<str>>,
    /// What the actor is, e.g. `agent`.
    pub roles: Vec<Arc<str>>,
}

/// The moment of a decision: everything impure that it may use.
#[derive(Debug, Clone)]
pub struct Moment {
    /// The time.
    pub now: Timestamp,
    /// Who sent the command.
    pub actor: Actor,
    seed: Uuid,
    made: Cell<u32>,
}

impl Moment {
    /// A moment whose ids derive from `seed`, the same ones in the same order each time.
    pub fn new(now: Timestamp, actor: Actor, seed: Uuid) -> Self {
        Self {
            now,
            actor,
            seed,
            made: Cell::new(0),
        }
    }

    /// The next fresh id.
    pub fn new_id(&self) -> Uuid {
        self.made.set(self.made.get() + 1);
        Uuid::new_v5(&self.seed, &self.made.get().to_be_bytes())
    }
}

/// What a command came to: the events to record, each with its stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision<E> {
    pub(crate) events: Vec<(Option<StreamName>, E)>,
    pub(crate) created: Option<Uuid>,
}

impl<E> Decision<E> {
    /// Nothing to record: the state is as asked already.
    pub fn nothing() -> Self {
        Self {
            events: Vec::new(),
            created: None,
        }
    }

    /// One event on the command's own stream.
    pub fn event(event: impl Into<E>) -> Self {
        Self::nothing().and(event)
    }

    /// One more event on the command's own stream.
    #[must_use]
    pub fn and(mut self, event: impl Into<E>) -> Self {
        self.events.push((None, event.into()));
        self
    }

    /// One more event, on another stream among those that the command reads.
    #[must_use]
    pub fn and_on(mut self, stream: StreamName, event: impl Into<E>) -> Self {
        self.events.push((Some(stream), event.into()));
        self
    }

    /// Names what was created: the receipt's `id`.
    #[must_use]
    pub fn created(mut self, id: Uuid) -> Self {
        self.created = Some(id);
        self
    }

    /// The events, without their streams.
    pub fn events(&self) -> impl Iterator<Item = &E> {
        self.events.iter().map(|(_, event)| event)
    }
}

/// What a command must see: streams as aggregates, and live models.
pub struct Reads<L: Log> {
    pub(crate) streams: Vec<(StreamName, StateType<L>)>,
    pub(crate) models: Vec<StateType<L>>,
}

impl<L: Log> Reads<L> {
    /// Reads this stream as an `A`.
    pub fn of<A: Aggregate<Log = L>>(stream: StreamName) -> Self {
        Self {
            streams: Vec::new(),
            models: Vec::new(),
        }
        .and::<A>(stream)
    }

    /// Reads this stream too, as an `A`.
    #[must_use]
    pub fn and<A: Aggregate<Log = L>>(mut self, stream: StreamName) -> Self {
        self.streams.push((stream, StateType::aggregate::<A>()));
        self
    }

    /// Reads all of these streams too, each as an `A`.
    #[must_use]
    pub fn and_all<A: Aggregate<Log = L>>(self, streams: impl IntoIterator<Item = StreamName>) -> Self {
        streams.into_iter().fold(self, |reads, stream| reads.and::<A>(stream))
    }

    /// Reads the live model `M` too.
    #[must_use]
    pub fn model<M: LiveModel<Log = L>>(mut self) -> Self {
        self.models.push(StateType::model::<M>());
        self
    }
}
