//! The view `products`: every financial product with what is outstanding and its late fees.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use callboard::{Projection, Recorded};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::amount::{Amount, Balance};
use crate::event::{Finance, FinanceEvent};
use crate::ids::{AssetId, DealId, ProductId};
use crate::issue_product::ProductIssued;
use crate::product::{Parties, Role};
use crate::rate::Rate;

/// Keeps the view.
#[derive(Debug)]
pub struct Products;

/// A product: a row of the table, and an object of the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProductRow {
    /// Which product.
    pub product: ProductId,
    /// What is to be paid, without late fees.
    pub amount: Amount,
    /// The late fees in all.
    pub fees: Balance,
    /// The payments in all.
    pub paid: Balance,
    /// What is still to be paid: the amount and the late fees, less the payments.
    pub outstanding: Balance,
    /// The last date on which a payment is not late.
    pub due_date: Date,
    /// What share of the asset's value each late date costs.
    pub daily_late_fee_rate: Rate,
    /// The role of the company that pays late fees.
    pub payer_role: Role,
    /// The companies of the deal, each with its role.
    pub companies: Parties,
    /// The asset that late fees are counted by.
    pub asset: Option<AssetId>,
    /// The deal that the product belongs to.
    pub deal: Option<DealId>,
    /// The date of the last late fee.
    pub last_late_fee_date: Option<Date>,
    /// When the product was issued.
    pub issued_at: Timestamp,
}

impl Projection for Products {
    type Log = Finance;
    type Key = ProductId;
    type Row = ProductRow;

    const NAME: &'static str = "products";
    const VERSION: u32 = 1;
    const TABLE: &'static str = "finance.products";
    const KEY: &'static [&'static str] = &["product"];
    /// Whatever a stream `product-…` will ever tell, it tells of its own product.
    const KEYED_BY_STREAM: bool = true;

    fn keys(event: &FinanceEvent) -> Vec<ProductId> {
        match event {
            FinanceEvent::ProductIssued(event) => vec![event.product],
            FinanceEvent::PaymentRecorded(event) => vec![event.product],
            FinanceEvent::LateFeeIncurred(event) => vec![event.product],
            _ => vec![],
        }
    }

    fn fold(_: &ProductId, row: Option<ProductRow>, event: &Recorded<FinanceEvent>) -> Option<ProductRow> {
        match &event.event {
            FinanceEvent::ProductIssued(issued) => Some(issued_row(issued, event.recorded_at)),
            FinanceEvent::PaymentRecorded(recorded) => row.map(|row| ProductRow {
                paid: recorded.paid,
                outstanding: recorded.outstanding,
                ..row
            }),
            FinanceEvent::LateFeeIncurred(incurred) => row.map(|row| ProductRow {
                fees: incurred.fees,
                outstanding: incurred.outstanding,
                last_late_fee_date: row.last_late_fee_date.max(Some(incurred.date)),
                ..row
            }),
            _ => row,
        }
    }
}

fn issued_row(ProductIssued { product, terms }: &ProductIssued, issued_at: Timestamp) -> ProductRow {
    ProductRow {
        product: *product,
        amount: terms.amount,
        fees: Balance::ZERO,
        paid: Balance::ZERO,
        outstanding: terms.amount.into(),
        due_date: terms.due_date,
        daily_late_fee_rate: terms.daily_late_fee_rate,
        payer_role: terms.payer_role.clone(),
        companies: terms.companies.clone(),
        asset: terms.asset,
        deal: terms.deal,
        last_late_fee_date: None,
        issued_at,
    }
}
