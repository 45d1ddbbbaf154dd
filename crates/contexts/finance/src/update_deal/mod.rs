//! A deal gets new terms, which may make it a membership or end the one that it was. An activated
//! deal stays activated.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use callboard::{Command, Decision, EventType, Moment, Reads, Refusal, Route, StreamName, World};
use serde::{Deserialize, Serialize};

use crate::company::Company;
use crate::deal::{Deal, DealStatus, Terms};
use crate::event::{Finance, FinanceEvent};
use crate::ids::{CompanyId, DealId};
use crate::membership::Memberships;

/// Give a deal new terms. The present ones change nothing and record nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UpdateDeal {
    /// Which deal.
    pub deal: DealId,
    /// What it is about from now on.
    #[serde(flatten)]
    pub terms: Terms,
}

/// A deal got new terms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DealUpdated {
    /// Which deal.
    pub deal: DealId,
    /// What it is about since.
    #[serde(flatten)]
    pub terms: Terms,
    /// Whether it is activated.
    pub activated: bool,
    /// The company whose membership it was before.
    pub membership_before: Option<CompanyId>,
}

impl DealUpdated {
    /// The wire name.
    pub const NAME: &'static str = "DealUpdated";
    /// What is written today.
    pub const TYPE: EventType = EventType::new(Self::NAME, 1);
}

impl From<DealUpdated> for FinanceEvent {
    fn from(event: DealUpdated) -> Self {
        Self::DealUpdated(event)
    }
}

impl Command for UpdateDeal {
    type Log = Finance;
    const NAME: &'static str = "UpdateDeal";
    const ROUTE: Route = Route {
        aggregate: "Deal",
        stream: "deal-{deal}",
        events: &[DealUpdated::TYPE],
        refusals: &[
            "deal-not-found",
            "deal-deleted",
            "company-not-found",
            "company-has-membership",
        ],
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
        let (deal, terms) = Deal::find(world, self.deal)?;
        self.terms.must_be_possible(world, self.deal)?;
        if *terms == self.terms {
            return Ok(Decision::nothing());
        }
        Ok(Decision::event(DealUpdated {
            deal: self.deal,
            terms: self.terms.clone(),
            activated: deal.status == DealStatus::Active,
            membership_before: terms.membership(),
        }))
    }
}
