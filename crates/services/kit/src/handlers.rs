//! Event handlers, made from the settings that they name.

use callboard::event_handler::Settings as Named;
use callboard::{EventHandler, Log, ProcessManager, Projection, Subscribers};
use callboard_http::HttpContext;

use crate::contexts::{Mount, mount_all};
use crate::settings::{Settings, SettingsError, VARIABLES};

/// Every setting that an event handler may be made from. Its `Debug` shows names only.
#[derive(Debug, Clone, Default)]
pub struct HandlerSettings(Named);

impl HandlerSettings {
    /// All that have a value.
    pub fn of(settings: &Settings) -> Self {
        let values = VARIABLES
            .iter()
            .filter_map(|variable| Some((variable.name, settings.get(variable.name)?.0)));
        Self(values.fold(Named::new(), |named, (name, value)| named.with(name, value)))
    }

    /// The same with this setting. For tests that start a service in process.
    #[must_use]
    pub fn with(self, name: &str, value: &str) -> Self {
        Self(self.0.with(name, value))
    }

    /// The handler, if its settings switch it on. They were checked at the start.
    pub(crate) fn handler<H: EventHandler>(&self) -> Option<H> {
        self.made::<H>().ok().flatten()
    }

    fn made<H: EventHandler>(&self) -> Result<Option<H>, SettingsError> {
        // No handler sees what it doesn't name, such as the database's password.
        let named = H::SETTINGS.iter().filter_map(|name| Some((*name, self.0.get(name)?)));
        let named = named.fold(Named::new(), |settings, (name, value)| settings.with(name, value));
        H::from_settings(&named).map_err(|error| SettingsError(error.to_string()))
    }

    /// Whether every handler can be made.
    ///
    /// # Errors
    /// Names the variable and what is allowed.
    pub(crate) async fn check(&self) -> anyhow::Result<()> {
        let mut check = Check {
            settings: self,
            wrong: None,
        };
        mount_all(&mut check).await?;
        check.wrong.map_or(Ok(()), |wrong| Err(wrong.into()))
    }
}

struct Check<'a> {
    settings: &'a HandlerSettings,
    wrong: Option<SettingsError>,
}

impl Mount for Check<'_> {
    async fn mount<C: HttpContext>(&mut self) -> anyhow::Result<()> {
        C::subscribers(self);
        Ok(())
    }
}

impl<L: Log> Subscribers<L> for Check<'_> {
    fn projection<P: Projection<Log = L>>(&mut self) {}

    fn process_manager<M: ProcessManager<Log = L>>(&mut self) {}

    fn event_handler<H: EventHandler<Log = L>>(&mut self) {
        let unknown = H::SETTINGS
            .iter()
            .find(|name| VARIABLES.iter().all(|variable| variable.name != **name));
        let wrong = match unknown {
            Some(name) => Some(SettingsError(format!("{} needs {name}, which is no setting", H::NAME))),
            None => self.settings.made::<H>().err(),
        };
        self.wrong = self.wrong.take().or(wrong);
    }
}

#[cfg(test)]
mod tests {
    use super::HandlerSettings;

    #[tokio::test]
    async fn every_setting_that_a_handler_names_is_known_and_without_any_all_are_off() {
        HandlerSettings::default()
            .check()
            .await
            .expect("all of them can be made, or are off");
    }
}
