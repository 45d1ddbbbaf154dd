//! A company gets money from outside.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use callboard::{Command, Decision, EventType, Moment, Reads, Refusal, Route, StreamName, World};
use serde::{Deserialize, Serialize};

use crate::amount::{Amount, Balance, overflow};
use crate::company::Company;
use crate::event::{Finance, FinanceEvent};
use crate::ids::CompanyId;

/// Deposit an amount to a company.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DepositToCompany {
    /// Which company.
    pub company: CompanyId,
    /// How much.
    pub amount: Amount,
}

/// A company got money from outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DepositedToCompany {
    /// Which company.
    pub company: CompanyId,
    /// How much.
    pub amount: Amount,
    /// What the company has since.
    pub balance: Balance,
}

impl DepositedToCompany {
    /// The wire name.
    pub const NAME: &'static str = "DepositedToCompany";
    /// What is written today.
    pub const TYPE: EventType = EventType::new(Self::NAME, 1);
}

impl From<DepositedToCompany> for FinanceEvent {
    fn from(event: DepositedToCompany) -> Self {
        Self::DepositedToCompany(event)
    }
}

impl Command for DepositToCompany {
    type Log = Finance;
    const NAME: &'static str = "DepositToCompany";
    const ROUTE: Route = Route {
        aggregate: "Company",
        stream: "company-{company}",
        events: &[DepositedToCompany::TYPE],
        refusals: &["company-not-found", "balance-overflow"],
    };

    fn stream(&self) -> StreamName {
        Company::stream(self.company)
    }

    fn reads(&self) -> Reads<Finance> {
        Reads::of::<Company>(self.stream())
    }

    fn decide(&self, world: &World<'_, Finance>, _: &Moment) -> Result<Decision<FinanceEvent>, Refusal> {
        let balance = Company::find(world, self.company)?.balance;
        let whose = format_args!("The company {}", self.company);
        let balance = balance.plus(self.amount).ok_or_else(|| overflow(whose))?;
        Ok(Decision::event(DepositedToCompany {
            company: self.company,
            amount: self.amount,
            balance,
        }))
    }
}
