//! A deal is made between companies. It is a draft until it is activated.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use callboard::{Command, Decision, EventType, Moment, Reads, Refusal, Route, StreamName, World};
use serde::{Deserialize, Serialize};

use crate::company::Company;
use crate::deal::{Deal, Terms};
use crate::event::{Finance, FinanceEvent};
use crate::ids::DealId;
use crate::membership::Memberships;

/// Create a deal. One that is a membership needs a company that has none.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CreateDeal {
    /// Its id from now on.
    pub deal: DealId,
    /// What it is about.
    #[serde(flatten)]
    pub terms: Terms,
}

/// A deal was created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DealCreated {
    /// Which deal.
    pub deal: DealId,
    /// What it is about.
    #[serde(flatten)]
    pub terms: Terms,
}

impl DealCreated {
    /// The wire name.
    pub const NAME: &'static str = "DealCreated";
    /// What is written today.
    pub const TYPE: EventType = EventType::new(Self::NAME, 1);
}

impl From<DealCreated> for FinanceEvent {
    fn from(event: DealCreated) -> Self {
        Self::DealCreated(event)
    }
}

impl Command for CreateDeal {
    type Log = Finance;
    const NAME: &'static str = "CreateDeal";
    const ROUTE: Route = Route {
        aggregate: "Deal",
        stream: "deal-{deal}",
        events: &[DealCreated::TYPE],
        refusals: &["deal-already-created", "company-not-found", "company-has-membership"],
    };

    fn stream(&self) -> StreamName {
        Deal::stream(self.deal)
    }

    fn reads(&self) -> Reads<Finance> {
        let companies = self.terms.companies.as_slice().iter();
        Reads::of::<Deal>(self.stream())
            .and_all::<Company>(companies.map(|company| Company::stream(*company)))
            .model::<Memberships>()
    }

    fn decide(&self, world: &World<'_, Finance>, _: &Moment) -> Result<Decision<FinanceEvent>, Refusal> {
        if world.aggregate::<Deal>(&self.stream()).terms.is_some() {
            let detail = format!("The deal {} was created already.", self.deal);
            return Err(Refusal::rule("deal-already-created", detail));
        }
        self.terms.must_be_possible(world, self.deal)?;
        let event = DealCreated {
            deal: self.deal,
            terms: self.terms.clone(),
        };
        Ok(Decision::event(event).created(self.deal.into()))
    }
}
