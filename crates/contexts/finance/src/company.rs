//! The company: what it is called and what it has.

use std::fmt;
use std::str::FromStr;

use callboard::{Aggregate, Refusal, StreamName, World};
use serde::{Deserialize, Deserializer, Serialize};

use crate::amount::Balance;
use crate::event::{Finance, FinanceEvent};
use crate::ids::CompanyId;
use crate::text;

/// The state of one company's stream: what the decisions see.
#[derive(Debug, Clone, Default)]
pub struct Company {
    /// Whether it was registered.
    pub registered: bool,
    /// What it has.
    pub balance: Balance,
}

impl Company {
    /// The stream of this company.
    pub fn stream(id: CompanyId) -> StreamName {
        StreamName::of("company", id)
    }

    /// The company, if there is one.
    ///
    /// # Errors
    /// The refusal that names it.
    pub fn find<'w>(world: &'w World<'_, Finance>, id: CompanyId) -> Result<&'w Self, Refusal> {
        let company = world.aggregate::<Self>(&Self::stream(id));
        let missing = || Refusal::not_found("company-not-found", format!("There is no company {id}."));
        company.registered.then_some(company).ok_or_else(missing)
    }
}

impl Aggregate for Company {
    type Log = Finance;

    fn evolve(&mut self, event: &FinanceEvent) {
        match event {
            FinanceEvent::CompanyRegistered(_) => self.registered = true,
            FinanceEvent::DepositedToCompany(event) => self.balance = event.balance,
            FinanceEvent::CompanyDrawn(event) => self.balance = event.balance,
            _ => {}
        }
    }
}

/// A company's name: 1 to 200 characters, at least one of them no white space, no control
/// characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct CompanyName(String);

/// What no company is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to 200 characters, not only white space and no control characters")]
pub struct InvalidName;

impl FromStr for CompanyName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let valid = !text.trim().is_empty() && text.chars().count() <= 200 && !text.contains(char::is_control);
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName)
        }
    }
}

impl<'de> Deserialize<'de> for CompanyName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::read(deserializer, InvalidName)
    }
}

impl fmt::Display for CompanyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_1_to_200_characters() {
        for valid in ["A", "Müller & Söhne", " x ", &"ä".repeat(200)] {
            assert_eq!(
                valid.parse::<CompanyName>().map(|name| name.to_string()),
                Ok(valid.to_owned())
            );
        }
        for invalid in ["", " ", "a\n", "a\0", &"a".repeat(201)] {
            assert_eq!(invalid.parse::<CompanyName>(), Err(InvalidName), "{invalid:?}");
        }
    }
}
