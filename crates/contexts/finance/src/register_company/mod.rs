//! A company is registered.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use callboard::{Command, Decision, EventType, Moment, Reads, Refusal, Route, StreamName, World};
use serde::{Deserialize, Serialize};

use crate::company::{Company, CompanyName};
use crate::event::{Finance, FinanceEvent};
use crate::ids::CompanyId;

/// Register a company. It starts with a balance of 0.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RegisterCompany {
    /// Its id from now on.
    pub company: CompanyId,
    /// What it is called.
    pub name: CompanyName,
}

/// A company was registered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompanyRegistered {
    /// Which company.
    pub company: CompanyId,
    /// What it is called.
    pub name: CompanyName,
}

impl CompanyRegistered {
    /// The wire name.
    pub const NAME: &'static str = "CompanyRegistered";
    /// What is written today.
    pub const TYPE: EventType = EventType::new(Self::NAME, 1);
}

impl From<CompanyRegistered> for FinanceEvent {
    fn from(event: CompanyRegistered) -> Self {
        Self::CompanyRegistered(event)
    }
}

impl Command for RegisterCompany {
    type Log = Finance;
    const NAME: &'static str = "RegisterCompany";
    const ROUTE: Route = Route {
        aggregate: "Company",
        stream: "company-{company}",
        events: &[CompanyRegistered::TYPE],
        refusals: &["company-already-registered"],
    };

    fn stream(&self) -> StreamName {
        Company::stream(self.company)
    }

    fn reads(&self) -> Reads<Finance> {
        Reads::of::<Company>(self.stream())
    }

    fn decide(&self, world: &World<'_, Finance>, _: &Moment) -> Result<Decision<FinanceEvent>, Refusal> {
        if world.aggregate::<Company>(&self.stream()).registered {
            let detail = format!("The company {} is registered already.", self.company);
            return Err(Refusal::rule("company-already-registered", detail));
        }
        let event = CompanyRegistered {
            company: self.company,
            name: self.name.clone(),
        };
        Ok(Decision::event(event).created(self.company.into()))
    }
}
