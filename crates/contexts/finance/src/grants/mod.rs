//! The view `grants`: every grant with what it took and gave.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use callboard::{Projection, Recorded};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::event::{Finance, FinanceEvent};
use crate::grant::{Credit, Draw};
use crate::ids::GrantId;

/// Keeps the view.
#[derive(Debug)]
pub struct Grants;

/// A grant: a row of the table, and an object of the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GrantRow {
    /// Which grant.
    pub grant: GrantId,
    /// How much in all.
    pub total: Amount,
    /// What was taken, in the order of the sources.
    pub draws: Vec<Draw>,
    /// What was given.
    pub credits: Vec<Credit>,
    /// When.
    pub granted_at: Timestamp,
}

impl Projection for Grants {
    type Log = Finance;
    type Key = GrantId;
    type Row = GrantRow;

    const NAME: &'static str = "grants";
    const VERSION: u32 = 1;
    const TABLE: &'static str = "finance.grants";
    const KEY: &'static [&'static str] = &["grant"];
    /// Whatever a stream `grant-…` will ever tell, it tells of its own grant.
    const KEYED_BY_STREAM: bool = true;

    fn keys(event: &FinanceEvent) -> Vec<GrantId> {
        match event {
            FinanceEvent::BalancesGranted(event) => vec![event.grant],
            _ => vec![],
        }
    }

    fn fold(grant: &GrantId, row: Option<GrantRow>, event: &Recorded<FinanceEvent>) -> Option<GrantRow> {
        match &event.event {
            FinanceEvent::BalancesGranted(granted) => Some(GrantRow {
                grant: *grant,
                total: granted.total,
                draws: granted.draws.clone(),
                credits: granted.credits.clone(),
                granted_at: event.recorded_at,
            }),
            _ => row,
        }
    }
}
