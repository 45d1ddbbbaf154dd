//! A product bears a late fee for a date. Sent by the process manager `late-fees`, never by a client:
//! it has no `http.rs`.
//!
//! The fee is what is owed as of the cycle, whatever was paid or valued anew since. A product that
//! can't bear one is skipped: that is a refusal which names it, and the warning about it.

#[cfg(test)]
mod tests;

use callboard::{Command, Decision, EventType, Moment, Reads, Refusal, Route, StreamName, World};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::amount::{Amount, Balance};
use crate::event::{Finance, FinanceEvent};
use crate::ids::{AssetId, CompanyId, ProductId};
use crate::product::{Product, Terms};
use crate::rate::Rate;

/// Let a product bear a late fee for a date.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IncurLateFee {
    /// Which product.
    pub product: ProductId,
    /// For which date.
    pub date: Date,
    /// Its asset as it was when the date began; `None` when there was none.
    pub asset: Option<AssetThen>,
}

/// An asset as it was at a moment of the log.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AssetThen {
    /// The company that it comes from.
    pub sender: CompanyId,
    /// The company that it goes to.
    pub receiver: CompanyId,
    /// What it was worth.
    pub value: Amount,
}

/// A product bore a late fee. It is outstanding from then on, like the product's amount.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LateFeeIncurred {
    /// Which product.
    pub product: ProductId,
    /// For which date.
    pub date: Date,
    /// How much: the asset's value x the daily rate, rounded half to even to 4 decimals.
    pub amount: Amount,
    /// The company that has to pay it.
    pub payer: CompanyId,
    /// The asset that it is counted by.
    pub asset: AssetId,
    /// What the asset was worth when the date began.
    pub asset_value: Amount,
    /// The product's daily rate.
    pub daily_late_fee_rate: Rate,
    /// The product's late fees in all since.
    pub fees: Balance,
    /// What is still to be paid since.
    pub outstanding: Balance,
}

impl LateFeeIncurred {
    /// The wire name.
    pub const NAME: &'static str = "LateFeeIncurred";
    /// What is written today.
    pub const TYPE: EventType = EventType::new(Self::NAME, 1);
}

impl From<LateFeeIncurred> for FinanceEvent {
    fn from(event: LateFeeIncurred) -> Self {
        Self::LateFeeIncurred(event)
    }
}

impl Command for IncurLateFee {
    type Log = Finance;
    const NAME: &'static str = "IncurLateFee";
    const ROUTE: Route = Route {
        aggregate: "Product",
        stream: "product-{product}",
        events: &[LateFeeIncurred::TYPE],
        refusals: &[
            "product-not-found",
            "late-fee-already-incurred",
            "late-fee-without-asset",
            "late-fee-without-payer",
            "late-fee-too-small",
            "late-fee-too-large",
        ],
    };

    fn stream(&self) -> StreamName {
        Product::stream(self.product)
    }

    fn reads(&self) -> Reads<Finance> {
        Reads::of::<Product>(self.stream())
    }

    fn decide(&self, world: &World<'_, Finance>, _: &Moment) -> Result<Decision<FinanceEvent>, Refusal> {
        let (product, terms) = Product::find(world, self.product)?;
        if product.late_on.contains(self.date) {
            return Err(self.skipped("late-fee-already-incurred", "it bears one already"));
        }
        let (asset, then) = self.asset_of(terms)?;
        let payer =
            payer(terms, then).ok_or_else(|| self.skipped("late-fee-without-payer", &no_payer(terms, asset)))?;
        let amount = terms
            .daily_late_fee_rate
            .of(then.value)
            .ok_or_else(|| self.skipped("late-fee-too-small", "it is rounded to 0"))?;
        let too_large = || self.skipped("late-fee-too-large", "what is owed would be no balance any more");
        // What was ever charged must stay a balance; then so do the payments.
        let fees = product.fees.plus(amount).ok_or_else(too_large)?;
        fees.plus(terms.amount).ok_or_else(too_large)?;
        let outstanding = product.outstanding.plus(amount).ok_or_else(too_large)?;
        Ok(Decision::event(LateFeeIncurred {
            product: self.product,
            date: self.date,
            amount,
            payer,
            asset,
            asset_value: then.value,
            daily_late_fee_rate: terms.daily_late_fee_rate,
            fees,
            outstanding,
        }))
    }
}

impl IncurLateFee {
    fn asset_of(&self, terms: &Terms) -> Result<(AssetId, &AssetThen), Refusal> {
        let rule = "late-fee-without-asset";
        let asset = terms.asset.ok_or_else(|| self.skipped(rule, "it has no asset"))?;
        let then = self.asset.as_ref();
        let then = then.ok_or_else(|| self.skipped(rule, &format!("there is no asset {asset}")))?;
        Ok((asset, then))
    }

    fn skipped(&self, rule: &'static str, because: &str) -> Refusal {
        let Self { product, date, .. } = self;
        let detail = format!("The product {product} bears no late fee for {date}: {because}.");
        Refusal::rule(rule, detail)
    }
}

/// The company with the payer's role that is also the asset's sender or receiver; of several, the one
/// that the product names first.
fn payer(terms: &Terms, asset: &AssetThen) -> Option<CompanyId> {
    let mut payers = terms.companies.with_role(&terms.payer_role);
    payers.find(|company| [asset.sender, asset.receiver].contains(company))
}

fn no_payer(terms: &Terms, asset: AssetId) -> String {
    let role = &terms.payer_role;
    format!("no company with the role {role} is the sender or receiver of the asset {asset}")
}
