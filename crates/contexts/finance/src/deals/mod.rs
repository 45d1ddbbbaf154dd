//! The view `deals`: every deal that isn't deleted.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use callboard::{Projection, Recorded};
use serde::{Deserialize, Serialize};

use crate::deal::{Companies, DealStatus, ProductLine, RatingTier, Terms};
use crate::event::{Finance, FinanceEvent};
use crate::ids::DealId;

/// Keeps the view.
#[derive(Debug)]
pub struct Deals;

/// A deal: a row of the table, and an object of the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DealRow {
    /// Which deal.
    pub deal: DealId,
    /// Its product line.
    pub product_line: ProductLine,
    /// The companies that take part.
    pub companies: Companies,
    /// How they are rated.
    pub rating_tier: RatingTier,
    /// How far it is.
    pub status: DealStatus,
}

impl Projection for Deals {
    type Log = Finance;
    type Key = DealId;
    type Row = DealRow;

    const NAME: &'static str = "deals";
    const VERSION: u32 = 1;
    const TABLE: &'static str = "finance.deals";
    const KEY: &'static [&'static str] = &["deal"];
    /// Whatever a stream `deal-…` will ever tell, it tells of its own deal.
    const KEYED_BY_STREAM: bool = true;

    fn keys(event: &FinanceEvent) -> Vec<DealId> {
        match event {
            FinanceEvent::DealCreated(event) => vec![event.deal],
            FinanceEvent::DealUpdated(event) => vec![event.deal],
            FinanceEvent::DealActivated(event) => vec![event.deal],
            FinanceEvent::DealDeleted(event) => vec![event.deal],
            _ => vec![],
        }
    }

    fn fold(deal: &DealId, row: Option<DealRow>, event: &Recorded<FinanceEvent>) -> Option<DealRow> {
        let with = |terms: &Terms, status| DealRow {
            deal: *deal,
            product_line: terms.product_line,
            companies: terms.companies.clone(),
            rating_tier: terms.rating_tier,
            status,
        };
        match &event.event {
            FinanceEvent::DealCreated(event) => Some(with(&event.terms, DealStatus::Draft)),
            FinanceEvent::DealUpdated(event) => row.map(|row| with(&event.terms, row.status)),
            FinanceEvent::DealActivated(_) => row.map(|row| DealRow {
                status: DealStatus::Active,
                ..row
            }),
            FinanceEvent::DealDeleted(_) => None,
            _ => row,
        }
    }
}
