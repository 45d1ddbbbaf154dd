//! Where each server comes from: the order, and what is said when nothing fits. Pure; [`Machine`] answers the questions.

use std::fmt;

use anyhow::{Result, anyhow, bail};
use clap::ValueEnum;

use crate::address::Address;
use crate::cli::Finding;
use crate::probe::Fault;

/// A server that we can't do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Need {
    /// The log and the views.
    Postgres,
    /// The broker.
    #[value(name = "rabbitmq")]
    RabbitMq,
}

impl Need {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Postgres, Self::RabbitMq];

    /// The variable that names its URL.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Postgres => "DATABASE_URL",
            Self::RabbitMq => "AMQP_URL",
        }
    }

    /// Where it is looked for when nobody says where it is.
    pub fn usual_url(self) -> &'static str {
        match self {
            Self::Postgres => "postgres://postgres@127.0.0.1:5432/callboard",
            Self::RabbitMq => "amqp://guest:guest@127.0.0.1:5672/%2f",
        }
    }

    /// The Debian package.
    pub fn package(self) -> &'static str {
        match self {
            Self::Postgres => "postgresql",
            Self::RabbitMq => "rabbitmq-server",
        }
    }

    /// The service of `docker-compose.yml`.
    pub fn compose_service(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::RabbitMq => "rabbitmq",
        }
    }

    fn accepts(self, scheme: &str) -> bool {
        match self {
            Self::Postgres => scheme.starts_with("postgres"),
            Self::RabbitMq => scheme.starts_with("amqp"),
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "PostgreSQL",
            Self::RabbitMq => "RabbitMQ",
        })
    }
}

/// Where one server comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// From the environment.
    Given(Address),
    /// It was listening already.
    Listening(Address),
    /// From the compose file.
    Compose,
    /// From Debian packages.
    Packages {
        /// Whether they must be installed first.
        install: bool,
    },
}

/// Whether Debian packages can help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packages {
    /// The server's programs are there.
    Installed,
    /// `apt-get` is there, and we may use it.
    Installable,
    /// `apt-get` is there, but only an administrator may use it.
    NeedRoot,
    /// No programs of a usable version, and no `apt-get`; or none that would help.
    Unusable(String),
}

/// What is asked about the machine.
pub trait Machine {
    /// The value of a variable, or what the file holds that its `_FILE` form names.
    fn variable(&self, name: &str) -> Result<Option<String>>;
    /// Logs in.
    fn probe(&self, need: Need, address: &Address) -> Result<(), Fault>;
    /// Whether an engine and compose are there; the reason if not.
    fn compose(&self) -> Result<(), String>;
    /// What Debian packages can do.
    fn packages(&self, need: Need) -> Packages;
}

/// Finds where `need` comes from: the first that fits, in the order that the contract gives.
pub fn find(need: Need, finding: Finding, machine: &impl Machine) -> Result<Source> {
    if let Some(text) = machine.variable(need.variable())? {
        return given(need, &text, machine);
    }
    let usual = Address::parse(need.usual_url())?;
    let not_listening = match machine.probe(need, &usual) {
        Ok(()) => return Ok(Source::Listening(usual)),
        Err(fault) => fault,
    };
    let Err(no_compose) = machine.compose() else {
        return Ok(Source::Compose);
    };
    let no_packages = match machine.packages(need) {
        Packages::Installed => return Ok(Source::Packages { install: false }),
        Packages::Installable if !finding.no_install => return Ok(Source::Packages { install: true }),
        Packages::Installable => "not installed, and --no-install says to leave it so".to_owned(),
        Packages::NeedRoot => "not installed, and neither root nor `sudo -n` is at hand to do it".to_owned(),
        Packages::Unusable(reason) => reason,
    };
    Err(nothing(
        need,
        &usual,
        &not_listening,
        &no_compose,
        &no_packages,
        &machine.packages(need),
    ))
}

fn given(need: Need, text: &str, machine: &impl Machine) -> Result<Source> {
    let variable = need.variable();
    let address = Address::parse(text).map_err(|error| {
        anyhow!(
            "{variable} is not a URL such as {}: {error}\n  correct it, or unset it to have a server found",
            need.usual_url()
        )
    })?;
    if !need.accepts(&address.scheme) {
        bail!(
            "{variable} is {}, which is not the URL of a {need} server such as {}",
            address.masked(),
            need.usual_url()
        );
    }
    match machine.probe(need, &address) {
        Ok(()) => Ok(Source::Given(address)),
        Err(fault) => bail!(
            "{variable} is {}, but {fault}\n  start that server, correct {variable}, or unset it to have a server found",
            address.masked()
        ),
    }
}

fn nothing(
    need: Need,
    usual: &Address,
    not_listening: &Fault,
    no_compose: &str,
    no_packages: &str,
    packages: &Packages,
) -> anyhow::Error {
    let variable = need.variable();
    let fix = match packages {
        Packages::Installed | Packages::Installable | Packages::NeedRoot => {
            format!(
                "sudo apt-get update && sudo apt-get install --yes --no-install-recommends {}",
                need.package()
            )
        }
        Packages::Unusable(_) => format!(
            "export {variable}={}   # the URL of a server of yours",
            need.usual_url()
        ),
    };
    anyhow!(
        "no {need} found\n  \
         in the environment: {variable} is not set\n  \
         on loopback: {}: {not_listening}\n  \
         in Docker: {no_compose}\n  \
         in Debian packages: {no_packages}\n\
         this line fixes it:\n  {fix}",
        usual.masked()
    )
}

#[cfg(test)]
mod tests;
