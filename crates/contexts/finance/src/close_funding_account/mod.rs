//! A funding account takes no grants any more. It keeps what it has.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use callboard::{Command, Decision, EventType, Moment, Reads, Refusal, Route, StreamName, World};
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::event::{Finance, FinanceEvent};
use crate::ids::{AccountId, CompanyId};

/// Close a funding account, for good.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CloseFundingAccount {
    /// Which account.
    pub account: AccountId,
}

/// A funding account was closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FundingAccountClosed {
    /// Which account.
    pub account: AccountId,
    /// The company that it belongs to.
    pub company: CompanyId,
}

impl FundingAccountClosed {
    /// The wire name.
    pub const NAME: &'static str = "FundingAccountClosed";
    /// What is written today.
    pub const TYPE: EventType = EventType::new(Self::NAME, 1);
}

impl From<FundingAccountClosed> for FinanceEvent {
    fn from(event: FundingAccountClosed) -> Self {
        Self::FundingAccountClosed(event)
    }
}

impl Command for CloseFundingAccount {
    type Log = Finance;
    const NAME: &'static str = "CloseFundingAccount";
    const ROUTE: Route = Route {
        aggregate: "Account",
        stream: "account-{account}",
        events: &[FundingAccountClosed::TYPE],
        refusals: &["account-not-found", "account-closed"],
    };

    fn stream(&self) -> StreamName {
        Account::stream(self.account)
    }

    fn reads(&self) -> Reads<Finance> {
        Reads::of::<Account>(self.stream())
    }

    fn decide(&self, world: &World<'_, Finance>, _: &Moment) -> Result<Decision<FinanceEvent>, Refusal> {
        let (account, company) = Account::find(world, self.account)?;
        account.must_be_active(self.account)?;
        Ok(Decision::event(FundingAccountClosed {
            account: self.account,
            company,
        }))
    }
}
