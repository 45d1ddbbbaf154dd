//! The given / when / then kit: decisions, reactions and folds tested without any service.
//!
//! ```text
//! Spec::<Warehouse>::new()
//!     .given("product-abc123", [increased(50)])
//!     .when(ShipProductQuantity { … })
//!     .then([shipped(49, 1)]);
//! assert_eq!(rows::<Products>(&[("product-abc123", increased(50))]), …);
//! assert_eq!(reactions::<Notification>(&[…]), …);
//! ```

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use futures::FutureExt;
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::aggregate::StateType;
use crate::command::{Actor, Command, Route};
use crate::event::{Event, Log, Metadata, Recorded};
use crate::log::{Append, Appended, LogReader, LogStore, NewEvent};
use crate::memory::MemoryLog;
use crate::names::{Checkpoint, Position, StreamName, Version};
use crate::process_manager::ProcessManager;
use crate::projection::{Projection, fold};
use crate::receipt::{CommandContext, CommandError, Receipt};
use crate::writer::spec::decide_one;

/// A log with a past, for commands to be decided on.
pub struct Spec<L: Log> {
    past: Vec<(StreamName, L::Event)>,
    now: Timestamp,
    actor: Actor,
    context: CommandContext,
}

impl<L: Log> Default for Spec<L> {
    fn default() -> Self {
        Self {
            past: Vec::new(),
            now: Timestamp::UNIX_EPOCH,
            actor: Actor::default(),
            context: CommandContext::default(),
        }
    }
}

impl<L: Log> Spec<L> {
    /// An empty log, at the UNIX epoch, with an anonymous actor.
    pub fn new() -> Self {
        Self::default()
    }

    /// These events happened, on this stream, after what was given before.
    ///
    /// # Panics
    /// When it is no stream name.
    #[must_use]
    pub fn given(mut self, stream: &str, events: impl IntoIterator<Item = impl Into<L::Event>>) -> Self {
        let stream = StreamName::parse(stream).expect("a stream name");
        self.past
            .extend(events.into_iter().map(|event| (stream.clone(), event.into())));
        self
    }

    /// The time of the decision.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    /// Who sends the command.
    #[must_use]
    pub fn by(mut self, actor: Actor) -> Self {
        self.actor = actor;
        self
    }

    /// Decides a command on that past. Touching or writing what it doesn't declare to read fails
    /// the test, and so does what its route doesn't list.
    pub fn when<C: Command<Log = L>>(&self, command: C) -> Outcome<L> {
        let past: Vec<_> = self
            .past
            .iter()
            .map(|(stream, event)| (stream.as_str(), event.clone()))
            .collect();
        let log = log_of::<L>(&past);
        let context = CommandContext {
            actor: self.actor.clone(),
            ..self.context.clone()
        };
        let own = Command::stream(&command);
        let models: Vec<StateType<L>> = Command::reads(&command).models;
        let decided = decide_one(&log, &models, command, context, self.now).now_or_never();
        let (result, events) = decided.expect("a log in memory never waits");
        if let Err(CommandError::Fault(reason)) = &result {
            panic!("the command is at fault: {reason}");
        }
        let outcome = Outcome { result, events };
        outcome.keeps_to(C::NAME, &C::ROUTE, &own);
        outcome
    }
}

/// What a command came to.
pub struct Outcome<L: Log> {
    result: Result<Receipt, CommandError>,
    events: Vec<(StreamName, L::Event)>,
}

impl<L: Log> Outcome<L> {
    /// Exactly these events were recorded.
    #[track_caller]
    pub fn then(self, expected: impl IntoIterator<Item = impl Into<L::Event>>)
    where
        L::Event: PartialEq + Debug,
    {
        self.accepted();
        let events: Vec<_> = self.events.into_iter().map(|(_, event)| event).collect();
        assert_eq!(events, expected.into_iter().map(Into::into).collect::<Vec<_>>());
    }

    /// Exactly these events were recorded, on these streams.
    #[track_caller]
    pub fn then_on<'a>(self, expected: impl IntoIterator<Item = (&'a str, L::Event)>)
    where
        L::Event: PartialEq + Debug,
    {
        self.accepted();
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(stream, event)| (stream.to_owned(), event))
            .collect();
        let events: Vec<_> = self
            .events
            .into_iter()
            .map(|(stream, event)| (stream.to_string(), event))
            .collect();
        assert_eq!(events, expected);
    }

    /// Events of exactly these types were recorded.
    #[track_caller]
    pub fn then_types(self, expected: &[&str]) {
        self.accepted();
        let types: Vec<_> = self.events.iter().map(|(_, event)| event.event_type().name).collect();
        assert_eq!(types, expected);
    }

    /// The command was accepted and recorded nothing.
    #[track_caller]
    pub fn then_nothing(self) {
        self.then_types(&[]);
    }

    /// The rule with this name refused it.
    #[track_caller]
    pub fn then_refused(self, rule: &str) {
        match self.result {
            Err(CommandError::Refused(refusal)) => assert_eq!(refusal.rule, rule),
            other => panic!("expected a refusal by {rule}, got {other:?}"),
        }
    }

    /// The actor may not.
    #[track_caller]
    pub fn then_forbidden(self) {
        assert!(
            matches!(self.result, Err(CommandError::Forbidden(_))),
            "expected forbidden, got {:?}",
            self.result
        );
    }

    /// The receipt or the error, for anything else.
    pub fn result(self) -> Result<Receipt, CommandError> {
        self.result
    }

    /// What came of the command is what its route lists.
    #[track_caller]
    fn keeps_to(&self, name: &str, route: &Route, own: &StreamName) {
        assert!(
            fits(route.stream, own.as_str()),
            "{name}: {own} is no stream of the form {}",
            route.stream
        );
        for (_, event) in &self.events {
            let event_type = event.event_type();
            assert!(
                route.events.contains(&event_type),
                "{name} records a {} v{}, which its route doesn't list",
                event_type.name,
                event_type.schema_version
            );
        }
        if let Err(CommandError::Refused(refusal)) = &self.result {
            assert!(
                route.refusals.contains(&refusal.rule),
                "{name} is refused by {}, which its route doesn't list",
                refusal.rule
            );
        }
    }

    #[track_caller]
    fn accepted(&self) {
        assert!(
            self.result.is_ok(),
            "expected the command to be accepted, got {:?}",
            self.result
        );
    }
}

/// Whether a stream's name has this form: text with whatever in place of each part in braces.
fn fits(form: &str, name: &str) -> bool {
    let Some((text, rest)) = form.split_once('{') else {
        return form == name;
    };
    let (_, rest) = rest.split_once('}').expect("braces come in pairs");
    let Some(name) = name.strip_prefix(text) else {
        return false;
    };
    name.char_indices()
        .map(|(at, letter)| at + letter.len_utf8())
        .any(|at| fits(rest, &name[at..]))
}

/// Events as a log would have recorded them.
///
/// # Panics
/// When a stream has no stream name or an event no JSON form.
pub fn recorded<L: Log>(events: &[(&str, L::Event)]) -> Vec<Recorded<L::Event>> {
    let log = log_of::<L>(events);
    let slice = log
        .read(Checkpoint::START.position, usize::MAX)
        .now_or_never()
        .expect("a log in memory never waits");
    let slice = slice.expect("a log in memory can be read");
    slice
        .events
        .iter()
        .map(|event| event.decode().expect("an event decodes to itself"))
        .collect()
}

/// The rows that a projection makes of these events, by key.
///
/// # Panics
/// When the fold panics.
pub fn rows<P: Projection>(events: &[(&str, <P::Log as Log>::Event)]) -> BTreeMap<P::Key, P::Row> {
    fold::<P>(HashMap::new(), &recorded::<P::Log>(events))
        .expect("the fold takes every event")
        .into_iter()
        .filter_map(|(key, row)| Some((key, row?)))
        .collect()
}

/// The commands that a process manager issues for each of these events: name and body.
///
/// # Panics
/// When a command has no JSON form.
pub fn reactions<M: ProcessManager>(events: &[(&str, <M::Log as Log>::Event)]) -> Vec<Vec<(&'static str, Value)>> {
    let mut state = M::State::default();
    let react = |event: &Recorded<_>| {
        M::evolve(&mut state, event);
        M::react(&state, event)
            .into_commands()
            .map(|command| command.expect("a command has a JSON form"))
            .map(|(name, body)| (name, serde_json::from_str(body.get()).expect("JSON")))
            .collect()
    };
    recorded::<M::Log>(events).iter().map(react).collect()
}

/// Puts events at the end of a log, each as the next of its stream.
///
/// # Panics
/// When a stream has no stream name, an event no JSON form, or the log doesn't take them.
pub async fn record<L: Log>(log: &impl LogStore, events: &[(&str, L::Event)]) {
    let held = log.read(Position::START, usize::MAX).await;
    let held = held.expect("a log that can be read").events;
    let mut versions: HashMap<StreamName, Version> = HashMap::new();
    versions.extend(held.iter().map(|event| (event.stream.clone(), event.version)));
    let new = |(stream, event): &(&str, L::Event)| {
        let stream = StreamName::parse(stream).expect("a stream name");
        let version = versions.entry(stream.clone()).or_default();
        *version = version.next();
        let event_type = event.event_type();
        NewEvent {
            id: Uuid::now_v7(),
            version: *version,
            stream,
            event_type: event_type.name,
            schema_version: event_type.schema_version,
            data: event.encode().expect("an event has a JSON form"),
            metadata: Metadata::default(),
        }
    };
    let append = Append {
        expected: held.last().map_or(Checkpoint::START, Recorded::checkpoint),
        events: events.iter().map(new).collect(),
        ..Append::default()
    };
    let appended = log.append(&append).await.expect("an answer");
    assert!(matches!(appended, Appended::Done { .. }), "{appended:?}");
}

/// A log in memory with these events.
fn log_of<L: Log>(events: &[(&str, L::Event)]) -> MemoryLog {
    let log = MemoryLog::new();
    record::<L>(&log, events)
        .now_or_never()
        .expect("a log in memory never waits");
    log
}
