//! The router: which commands a log takes, in one place that can be listed.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::aggregate::{LiveModel, StateType};
use crate::command::{Command, Route};
use crate::event::{EventType, Log};
use crate::process_manager::PendingCommand;
use crate::writer::AnyCommand;

/// Every command of a log, and the live models that they read.
pub struct Router<L: Log> {
    routes: BTreeMap<&'static str, (Route, Decode<L>)>,
    pub(crate) models: Vec<StateType<L>>,
}

type Decode<L> = fn(&str) -> Result<Box<dyn AnyCommand<L>>, serde_json::Error>;

/// A command as lists of routes show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedCommand {
    /// The command's wire name.
    pub command: &'static str,
    /// The log that it writes to.
    pub log: &'static str,
    /// The aggregate that decides it.
    pub aggregate: &'static str,
    /// The name of its own stream, with what varies in braces.
    pub stream: &'static str,
    /// The events that it may record.
    pub events: &'static [EventType],
    /// The names of the rules that may refuse it.
    pub refusals: &'static [&'static str],
}

/// A stored command that no route takes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// No command has this name.
    #[error("no command is named {0}")]
    Unknown(String),
    /// The body isn't such a command.
    #[error("the body of {name} can't be read")]
    Body {
        /// The command's name.
        name: String,
        /// What serde says.
        source: serde_json::Error,
    },
}

impl<L: Log> Default for Router<L> {
    fn default() -> Self {
        Self {
            routes: BTreeMap::new(),
            models: Vec::new(),
        }
    }
}

impl<L: Log> Router<L> {
    /// A router without routes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a command.
    ///
    /// # Panics
    /// When two commands have the same name.
    #[must_use]
    pub fn command<C: Command<Log = L>>(mut self) -> Self {
        let decode: Decode<L> = |body| Ok(Box::new(serde_json::from_str::<C>(body)?));
        assert!(
            self.routes.insert(C::NAME, (C::ROUTE, decode)).is_none(),
            "two commands are named {}",
            C::NAME
        );
        self
    }

    /// Keeps a live model.
    #[must_use]
    pub fn model<M: LiveModel<Log = L>>(mut self) -> Self {
        self.models.push(StateType::model::<M>());
        self
    }

    /// Every command by its name, in order, with where it goes.
    pub fn commands(&self) -> impl Iterator<Item = (&'static str, Route)> {
        self.routes.iter().map(|(name, (route, _))| (*name, *route))
    }

    /// Every command as lists of routes show it, in the order of their names.
    pub fn list(&self) -> impl Iterator<Item = ListedCommand> {
        self.commands().map(|(command, route)| ListedCommand {
            command,
            log: L::NAME,
            aggregate: route.aggregate,
            stream: route.stream,
            events: route.events,
            refusals: route.refusals,
        })
    }

    /// The command that a process manager stored.
    ///
    /// # Errors
    /// [`RouteError`] when there is no such command, or its body is another's.
    pub fn decode(&self, pending: &PendingCommand) -> Result<Box<dyn AnyCommand<L>>, RouteError> {
        let (_, decode) = self
            .routes
            .get(&*pending.name)
            .ok_or_else(|| RouteError::Unknown(pending.name.to_string()))?;
        decode(pending.body.get()).map_err(|source| RouteError::Body {
            name: pending.name.to_string(),
            source,
        })
    }
}
