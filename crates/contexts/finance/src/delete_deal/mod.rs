//! A deal is deleted, draft or active, and with it the membership that it may be.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use callboard::{Command, Decision, EventType, Moment, Reads, Refusal, Route, StreamName, World};
use serde::{Deserialize, Serialize};

use crate::deal::Deal;
use crate::event::{Finance, FinanceEvent};
use crate::ids::{CompanyId, DealId};

/// Delete a deal, for good.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeleteDeal {
    /// Which deal.
    pub deal: DealId,
}

/// A deal was deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DealDeleted {
    /// Which deal.
    pub deal: DealId,
    /// The company whose membership it was.
    pub membership: Option<CompanyId>,
}

impl DealDeleted {
    /// The wire name.
    pub const NAME: &'static str = "DealDeleted";
    /// What is written today.
    pub const TYPE: EventType = EventType::new(Self::NAME, 1);
}

impl From<DealDeleted> for FinanceEvent {
    fn from(event: DealDeleted) -> Self {
        Self::DealDeleted(event)
    }
}

impl Command for DeleteDeal {
    type Log = Finance;
    const NAME: &'static str = "DeleteDeal";
    const ROUTE: Route = Route {
        aggregate: "Deal",
        stream: "deal-{deal}",
        events: &[DealDeleted::TYPE],
        refusals: &["deal-not-found", "deal-deleted"],
    };

    fn stream(&self) -> StreamName {
        Deal::stream(self.deal)
    }

    fn reads(&self) -> Reads<Finance> {
        Reads::of::<Deal>(self.stream())
    }

    fn decide(&self, world: &World<'_, Finance>, _: &Moment) -> Result<Decision<FinanceEvent>, Refusal> {
        let (_, terms) = Deal::find(world, self.deal)?;
        Ok(Decision::event(DealDeleted {
            deal: self.deal,
            membership: terms.membership(),
        }))
    }
}
