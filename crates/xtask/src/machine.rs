//! The machine that we run on, as the finder asks about it.

use std::env;
use std::fs;

use anyhow::{Context, Result, bail};

use crate::address::Address;
use crate::find::{Machine, Need, Packages};
use crate::probe::postgres::{Answer, Session};
use crate::probe::{self, Fault};
use crate::{compose, debian};

/// The real one.
pub struct ThisMachine {
    /// Whether the login to PostgreSQL must be allowed to make databases and roles, as tests do.
    pub makes_databases: bool,
}

impl Machine for ThisMachine {
    fn variable(&self, name: &str) -> Result<Option<String>> {
        variable(name)
    }

    fn probe(&self, need: Need, address: &Address) -> Result<(), Fault> {
        match need {
            Need::Postgres => match probe::postgres::log_in(address)? {
                Answer::Session(session) if self.makes_databases => may_make_databases(session),
                _ => Ok(()),
            },
            Need::RabbitMq => probe::rabbitmq::log_in(address),
        }
    }

    fn compose(&self) -> Result<(), String> {
        compose::available()
    }

    fn packages(&self, need: Need) -> Packages {
        debian::packages(need)
    }
}

/// A variable that is set and not empty, or what the file holds that its `_FILE` form names.
pub fn variable(name: &str) -> Result<Option<String>> {
    if let Some(value) = read(name)? {
        return Ok(Some(value));
    }
    let file_variable = format!("{name}_FILE");
    let Some(file) = read(&file_variable)? else {
        return Ok(None);
    };
    let text = fs::read_to_string(&file).with_context(|| format!("{file_variable} is {file}, which can't be read"))?;
    Ok(Some(text.trim().to_owned()))
}

fn read(name: &str) -> Result<Option<String>> {
    match env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => bail!("{name} is not UTF-8"),
    }
}

fn may_make_databases(mut session: Session) -> Result<(), Fault> {
    let may = session
        .value("select rolsuper or (rolcreatedb and rolcreaterole) from pg_roles where rolname = current_user")?;
    match may.as_deref() {
        Some("t") => Ok(()),
        _ => Err(Fault::Refused(
            "this user may not create databases and roles, as tests do".to_owned(),
        )),
    }
}
