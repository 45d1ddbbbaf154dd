//! What an event handler is made from: a few named texts, which the service fills in.

use std::collections::BTreeMap;
use std::fmt;

/// Settings by name. A handler sees those that it names in [`crate::EventHandler::SETTINGS`]. Its
/// `Debug` shows names only: a value may be a secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, String>);

impl Settings {
    /// No settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with this setting; an empty value counts as none.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        if !value.is_empty() {
            self.0.insert(name, value);
        }
        self
    }

    /// The value of a setting, if it has one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A setting that no handler can be made from. The message names it and what is allowed, never its
/// value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} must be {allowed}")]
pub struct InvalidSetting {
    /// The setting.
    pub name: &'static str,
    /// What is allowed.
    pub allowed: String,
}
