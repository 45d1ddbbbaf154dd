//! A payment for a product came in. It is never more than what is outstanding: whoever sends more has
//! mistaken the product or the amount, and money that is owed back is better not taken.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use callboard::{Command, Decision, EventType, Moment, Reads, Refusal, Route, StreamName, World};
use serde::{Deserialize, Serialize};

use crate::amount::{Amount, Balance};
use crate::event::{Finance, FinanceEvent};
use crate::ids::ProductId;
use crate::product::Product;

/// Record a payment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RecordPayment {
    /// For which product.
    pub product: ProductId,
    /// How much.
    pub amount: Amount,
}

/// A payment was recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PaymentRecorded {
    /// For which product.
    pub product: ProductId,
    /// How much.
    pub amount: Amount,
    /// The payments in all since.
    pub paid: Balance,
    /// What is still to be paid since.
    pub outstanding: Balance,
}

impl PaymentRecorded {
    /// The wire name.
    pub const NAME: &'static str = "PaymentRecorded";
    /// What is written today.
    pub const TYPE: EventType = EventType::new(Self::NAME, 1);
}

impl From<PaymentRecorded> for FinanceEvent {
    fn from(event: PaymentRecorded) -> Self {
        Self::PaymentRecorded(event)
    }
}

impl Command for RecordPayment {
    type Log = Finance;
    const NAME: &'static str = "RecordPayment";
    const ROUTE: Route = Route {
        aggregate: "Product",
        stream: "product-{product}",
        events: &[PaymentRecorded::TYPE],
        refusals: &["product-not-found", "payment-exceeds-outstanding"],
    };

    fn stream(&self) -> StreamName {
        Product::stream(self.product)
    }

    fn reads(&self) -> Reads<Finance> {
        Reads::of::<Product>(self.stream())
    }

    fn decide(&self, world: &World<'_, Finance>, _: &Moment) -> Result<Decision<FinanceEvent>, Refusal> {
        let (product, _) = Product::find(world, self.product)?;
        let exceeds = || {
            let detail = format!(
                "The payment of {} exceeds the {} that is outstanding.",
                self.amount, product.outstanding
            );
            Refusal::rule("payment-exceeds-outstanding", detail)
        };
        let outstanding = product.outstanding.minus(self.amount).ok_or_else(exceeds)?;
        // Never more than was charged, which is a balance.
        let paid = product.paid.plus(self.amount).ok_or_else(exceeds)?;
        Ok(Decision::event(PaymentRecorded {
            product: self.product,
            amount: self.amount,
            paid,
            outstanding,
        }))
    }
}
