//! Positions, versions and names: the numbers and words that must never be swapped for one another.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The longest stream name, in bytes.
pub const STREAM_NAME_MAX: usize = 200;

/// An event's number in its log, from 1. [`Position::START`] (0) stands before the first event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(u64);

impl Position {
    /// Before the first event: the head of an empty log.
    pub const START: Self = Self(0);

    /// The position with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number itself.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The position `events` after this one.
    pub const fn plus(self, events: u64) -> Self {
        Self(self.0 + events)
    }

    /// The position of the next event.
    pub const fn next(self) -> Self {
        self.plus(1)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An event's number in its stream, from 1; 0 is the version of a stream without events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(u64);

impl Version {
    /// The version of a stream without events.
    pub const NONE: Self = Self(0);

    /// The version with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number itself.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The version of the stream's next event.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of a stream, e.g. `product-abc123`: 1 to 200 visible ASCII characters. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct StreamName(Arc<str>);

/// A name that no stream can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a stream name has 1 to {STREAM_NAME_MAX} visible ASCII characters, this has {length}: {name:?}")]
pub struct InvalidStreamName {
    name: String,
    length: usize,
}

impl StreamName {
    /// A name from text.
    ///
    /// # Errors
    /// [`InvalidStreamName`] when it is empty, too long, or has a blank, control or non-ASCII character.
    pub fn parse(name: &str) -> Result<Self, InvalidStreamName> {
        let fits = (1..=STREAM_NAME_MAX).contains(&name.len());
        if fits && name.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(name.into()))
        } else {
            Err(InvalidStreamName {
                name: name.chars().take(64).collect(),
                length: name.len(),
            })
        }
    }

    /// The stream of one instance, `<category>-<id>`. For ids that were validated at the edge.
    ///
    /// # Panics
    /// When the outcome is no stream name: the id came past its validation.
    pub fn of(category: &str, id: impl fmt::Display) -> Self {
        // Long enough at once: several names are made for each command.
        let mut name = String::with_capacity(STREAM_NAME_MAX);
        write!(name, "{category}-{id}").expect("a string takes everything");
        Self::parse(&name).expect("the id was validated at the edge")
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for StreamName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&name).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A position together with the id of the event there; the nil UUID at [`Position::START`].
///
/// The id is what tells two timelines apart after a failover or a restored backup: a position
/// alone would look right on both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The last position applied (of a head: the last one recorded).
    pub position: Position,
    /// The id of the event at that position.
    pub event_id: Uuid,
}

impl Checkpoint {
    /// Before the first event.
    pub const START: Self = Self {
        position: Position::START,
        event_id: Uuid::nil(),
    };
}
