//! The view `memberships`: every company that has a membership, with its deal.
//!
//! Its rows are keyed by company, while what they are made of stands in the streams of deals: an event
//! that can't be decoded may touch any of them, and halts the projection.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use callboard::{Projection, Recorded};
use serde::{Deserialize, Serialize};

use crate::deal::RatingTier;
use crate::event::{Finance, FinanceEvent};
use crate::ids::{CompanyId, DealId};
use crate::membership::{Membership, changes};

/// Keeps the view.
#[derive(Debug)]
pub struct Memberships;

/// A membership: a row of the table, and an object of the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MembershipRow {
    /// Whose membership it is.
    pub company: CompanyId,
    /// The deal that it is.
    pub deal: DealId,
    /// How the company is rated.
    pub rating_tier: RatingTier,
    /// Whether the deal is activated.
    pub activated: bool,
}

impl Projection for Memberships {
    type Log = Finance;
    type Key = CompanyId;
    type Row = MembershipRow;

    const NAME: &'static str = "memberships";
    const VERSION: u32 = 1;
    const TABLE: &'static str = "finance.memberships";
    const KEY: &'static [&'static str] = &["company"];

    fn keys(event: &FinanceEvent) -> Vec<CompanyId> {
        changes(event).into_iter().map(|(company, _)| company).collect()
    }

    fn fold(company: &CompanyId, row: Option<MembershipRow>, event: &Recorded<FinanceEvent>) -> Option<MembershipRow> {
        let change = changes(&event.event)
            .into_iter()
            .find(|(changed, _)| changed == company);
        let Some((_, change)) = change else {
            return row;
        };
        let before = row.map(|row| Membership {
            deal: row.deal,
            rating_tier: row.rating_tier,
            activated: row.activated,
        });
        change.apply(before).map(|membership| MembershipRow {
            company: *company,
            deal: membership.deal,
            rating_tier: membership.rating_tier,
            activated: membership.activated,
        })
    }
}
