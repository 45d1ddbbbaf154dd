//! The funding account: it belongs to a company, is active or closed, and has what was granted.

use std::str::FromStr;

use callboard::{Aggregate, Refusal, StreamName, World};
use serde::{Deserialize, Serialize};

use crate::amount::Balance;
use crate::event::{Finance, FinanceEvent};
use crate::ids::{AccountId, CompanyId};

/// The state of one funding account's stream: what the decisions see.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// The company that it belongs to and whether it is active; `None` before it is opened.
    pub opened: Option<(CompanyId, AccountStatus)>,
    /// What it has.
    pub balance: Balance,
}

/// Whether an account takes grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountStatus {
    /// It does.
    Active,
    /// Not any more.
    Closed,
}

impl FromStr for AccountStatus {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "active" => Ok(Self::Active),
            "closed" => Ok(Self::Closed),
            _ => Err("active or closed"),
        }
    }
}

impl Account {
    /// The stream of this account.
    pub fn stream(id: AccountId) -> StreamName {
        StreamName::of("account", id)
    }

    /// The account and the company that it belongs to, if it is there.
    ///
    /// # Errors
    /// The refusal that names it.
    pub fn find<'w>(world: &'w World<'_, Finance>, id: AccountId) -> Result<(&'w Self, CompanyId), Refusal> {
        let account = world.aggregate::<Self>(&Self::stream(id));
        let missing = || Refusal::not_found("account-not-found", format!("There is no account {id}."));
        let (company, _) = account.opened.ok_or_else(missing)?;
        Ok((account, company))
    }

    /// That the account is active.
    ///
    /// # Errors
    /// The refusal that names it.
    pub fn must_be_active(&self, id: AccountId) -> Result<(), Refusal> {
        match self.opened {
            Some((_, AccountStatus::Active)) => Ok(()),
            _ => Err(Refusal::rule("account-closed", format!("The account {id} is closed."))),
        }
    }
}

impl Aggregate for Account {
    type Log = Finance;

    fn evolve(&mut self, event: &FinanceEvent) {
        match event {
            FinanceEvent::FundingAccountOpened(event) => self.opened = Some((event.company, AccountStatus::Active)),
            FinanceEvent::FundingAccountClosed(event) => self.opened = Some((event.company, AccountStatus::Closed)),
            FinanceEvent::FundingAccountCredited(event) => self.balance = event.balance,
            _ => {}
        }
    }
}
