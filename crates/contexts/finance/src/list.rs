//! Lists that name each thing once.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The most things that a command's list may name.
pub const LIST_MAX: usize = 100;

/// What no such list looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidList {
    /// It names nothing, or too much.
    #[error("1 to {LIST_MAX} {0}")]
    Length(&'static str),
    /// It names something more than once.
    #[error("{0} is named twice")]
    Twice(String),
}

/// The list itself, if it names 1 to [`LIST_MAX`] things, each once; `name` tells them apart.
pub(crate) fn each_once<T>(
    list: Vec<T>,
    what: &'static str,
    name: impl Fn(&T) -> String,
) -> Result<Vec<T>, InvalidList> {
    if list.is_empty() || list.len() > LIST_MAX {
        return Err(InvalidList::Length(what));
    }
    let mut seen = std::collections::HashSet::new();
    match list.iter().map(name).find(|name| !seen.insert(name.clone())) {
        Some(twice) => Err(InvalidList::Twice(twice)),
        None => Ok(list),
    }
}

/// What a command's list consists of: JSON objects, and nothing else.
pub(crate) trait Element: for<'de> Deserialize<'de> {
    /// What one is, for whoever gives something else.
    const RULE: &'static str;
}

/// Reads a list of objects. serde alone would take an array of a struct's fields for each of them, too.
pub(crate) fn read<'de, T, L, D>(deserializer: D) -> Result<L, D::Error>
where
    T: Element,
    L: TryFrom<Vec<T>, Error = InvalidList>,
    D: Deserializer<'de>,
{
    let elements = Vec::<Object<T>>::deserialize(deserializer)?;
    let list: Vec<T> = elements.into_iter().map(|Object(element)| element).collect();
    L::try_from(list).map_err(D::Error::custom)
}

struct Object<T>(T);

impl<'de, T: Element> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields(PhantomData)).map(Self)
    }
}

struct Fields<T>(PhantomData<T>);

impl<'de, T: Element> Visitor<'de> for Fields<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::RULE)
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields))
    }
}
