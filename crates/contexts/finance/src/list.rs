//! Lists that name each thing once.

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
