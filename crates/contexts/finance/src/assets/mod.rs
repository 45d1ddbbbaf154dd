//! The view `assets`: every asset with its value and its balance.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use callboard::{Projection, Recorded};
use serde::{Deserialize, Serialize};

use crate::amount::{Amount, Balance};
use crate::event::{Finance, FinanceEvent};
use crate::ids::{AssetId, CompanyId};

/// Keeps the view.
#[derive(Debug)]
pub struct Assets;

/// An asset: a row of the table, and an object of the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AssetRow {
    /// Which asset.
    pub asset: AssetId,
    /// The company that it comes from.
    pub sender: CompanyId,
    /// The company that it goes to.
    pub receiver: CompanyId,
    /// What it is worth.
    pub value: Amount,
    /// What it has.
    pub balance: Balance,
}

impl Projection for Assets {
    type Log = Finance;
    type Key = AssetId;
    type Row = AssetRow;

    const NAME: &'static str = "assets";
    const VERSION: u32 = 1;
    const TABLE: &'static str = "finance.assets";
    const KEY: &'static [&'static str] = &["asset"];
    /// Whatever a stream `asset-…` will ever tell, it tells of its own asset.
    const KEYED_BY_STREAM: bool = true;

    fn keys(event: &FinanceEvent) -> Vec<AssetId> {
        match event {
            FinanceEvent::AssetRegistered(event) => vec![event.asset],
            FinanceEvent::AssetRevalued(event) => vec![event.asset],
            FinanceEvent::AssetDrawn(event) => vec![event.asset],
            _ => vec![],
        }
    }

    fn fold(asset: &AssetId, row: Option<AssetRow>, event: &Recorded<FinanceEvent>) -> Option<AssetRow> {
        match &event.event {
            FinanceEvent::AssetRegistered(event) => Some(AssetRow {
                asset: *asset,
                sender: event.sender,
                receiver: event.receiver,
                value: event.value,
                balance: event.balance,
            }),
            FinanceEvent::AssetRevalued(event) => row.map(|row| AssetRow {
                value: event.value,
                ..row
            }),
            FinanceEvent::AssetDrawn(event) => row.map(|row| AssetRow {
                balance: event.balance,
                ..row
            }),
            _ => row,
        }
    }
}
