//! A deal is activated, and with it the membership that it may be.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use callboard::{Command, Decision, EventType, Moment, Reads, Refusal, Route, StreamName, World};
use serde::{Deserialize, Serialize};

use crate::deal::{Deal, DealStatus};
use crate::event::{Finance, FinanceEvent};
use crate::ids::{CompanyId, DealId};

/// Activate a deal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ActivateDeal {
    /// Which deal.
    pub deal: DealId,
}

/// A deal was activated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DealActivated {
    /// Which deal.
    pub deal: DealId,
    /// The company whose membership it is.
    pub membership: Option<CompanyId>,
}

impl DealActivated {
    /// The wire name.
    pub const NAME: &'static str = "DealActivated";
    /// What is written today.
    pub const TYPE: EventType = EventType::new(Self::NAME, 1);
}

impl From<DealActivated> for FinanceEvent {
    fn from(event: DealActivated) -> Self {
        Self::DealActivated(event)
    }
}

impl Command for ActivateDeal {
    type Log = Finance;
    const NAME: &'static str = "ActivateDeal";
    const ROUTE: Route = Route {
        aggregate: "Deal",
        stream: "deal-{deal}",
        events: &[DealActivated::TYPE],
        refusals: &["deal-not-found", "deal-deleted", "deal-already-active"],
    };

    fn stream(&self) -> StreamName {
        Deal::stream(self.deal)
    }

    fn reads(&self) -> Reads<Finance> {
        Reads::of::<Deal>(self.stream())
    }

    fn decide(&self, world: &World<'_, Finance>, _: &Moment) -> Result<Decision<FinanceEvent>, Refusal> {
        let (deal, terms) = Deal::find(world, self.deal)?;
        if deal.status == DealStatus::Active {
            let detail = format!("The deal {} is active already.", self.deal);
            return Err(Refusal::rule("deal-already-active", detail));
        }
        Ok(Decision::event(DealActivated {
            deal: self.deal,
            membership: terms.membership(),
        }))
    }
}
