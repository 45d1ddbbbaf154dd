//! A company opens a funding account, which takes grants from then on.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use callboard::{Command, Decision, EventType, Moment, Reads, Refusal, Route, StreamName, World};
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::company::Company;
use crate::event::{Finance, FinanceEvent};
use crate::ids::{AccountId, CompanyId};

/// Open a funding account. It starts active, with a balance of 0.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OpenFundingAccount {
    /// Its id from now on.
    pub account: AccountId,
    /// The company that it belongs to.
    pub company: CompanyId,
}

/// A funding account was opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FundingAccountOpened {
    /// Which account.
    pub account: AccountId,
    /// The company that it belongs to.
    pub company: CompanyId,
}

impl FundingAccountOpened {
    /// The wire name.
    pub const NAME: &'static str = "FundingAccountOpened";
    /// What is written today.
    pub const TYPE: EventType = EventType::new(Self::NAME, 1);
}

impl From<FundingAccountOpened> for FinanceEvent {
    fn from(event: FundingAccountOpened) -> Self {
        Self::FundingAccountOpened(event)
    }
}

impl Command for OpenFundingAccount {
    type Log = Finance;
    const NAME: &'static str = "OpenFundingAccount";
    const ROUTE: Route = Route {
        aggregate: "Account",
        stream: "account-{account}",
        events: &[FundingAccountOpened::TYPE],
        refusals: &["account-already-opened", "company-not-found"],
    };

    fn stream(&self) -> StreamName {
        Account::stream(self.account)
    }

    fn reads(&self) -> Reads<Finance> {
        Reads::of::<Account>(self.stream()).and::<Company>(Company::stream(self.company))
    }

    fn decide(&self, world: &World<'_, Finance>, _: &Moment) -> Result<Decision<FinanceEvent>, Refusal> {
        if world.aggregate::<Account>(&self.stream()).opened.is_some() {
            let detail = format!("The account {} was opened already.", self.account);
            return Err(Refusal::rule("account-already-opened", detail));
        }
        Company::find(world, self.company)?;
        let event = FundingAccountOpened {
            account: self.account,
            company: self.company,
        };
        Ok(Decision::event(event).created(self.account.into()))
    }
}
