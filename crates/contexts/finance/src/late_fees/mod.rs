//! The process manager `late-fees`: each date that begins lets every product that is past due bear one
//! late fee.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};

use callboard::{ProcessManager, Reaction, Recorded};
use jiff::civil::Date;

use crate::amount::Balance;
use crate::event::{Finance, FinanceEvent};
use crate::ids::{AssetId, ProductId};
use crate::incur_late_fee::{AssetThen, IncurLateFee, LateFeeIncurred};

/// Reacts to the calendar.
#[derive(Debug)]
pub struct LateFees;

/// What it remembers, as of the event that it looks at: assets and what they are worth, and the
/// products that are outstanding, ordered by their due dates, so that a new date touches those alone
/// that are past due. What is settled is forgotten.
#[derive(Debug, Default)]
pub struct Outstanding {
    assets: HashMap<AssetId, AssetThen>,
    products: HashMap<ProductId, Open>,
    due: BTreeSet<(Date, ProductId)>,
}

/// A product that is outstanding.
#[derive(Debug, Clone, Copy)]
struct Open {
    due_date: Date,
    asset: Option<AssetId>,
}

impl Outstanding {
    fn open(&mut self, product: ProductId, open: Open) {
        self.products.insert(product, open);
        self.due.insert((open.due_date, product));
    }

    /// So much of a product is outstanding since.
    fn set(&mut self, product: ProductId, outstanding: Balance) {
        if outstanding == Balance::ZERO
            && let Some(open) = self.products.remove(&product)
        {
            self.due.remove(&(open.due_date, product));
        }
    }

    /// A product bore a fee. It may have been settled, and forgotten, while the fee was on its way: the
    /// fee is owed all the same, and makes it late again.
    fn charged(&mut self, fee: &LateFeeIncurred) {
        if !self.products.contains_key(&fee.product) {
            // The very due date is forgotten, and one before the fee's own date is as good: each date to
            // come is later.
            let due_date = fee.date.yesterday().unwrap_or(fee.date);
            let asset = Some(fee.asset);
            self.open(fee.product, Open { due_date, asset });
        }
        self.set(fee.product, fee.outstanding);
    }

    /// The products that are past due on this date, the longest due first.
    fn past_due(&self, on: Date) -> impl Iterator<Item = ProductId> {
        let late = self.due.iter().take_while(move |(due_date, _)| *due_date < on);
        late.map(|(_, product)| *product)
    }

    fn asset_of(&self, product: ProductId) -> Option<AssetThen> {
        let asset = self.products.get(&product)?.asset?;
        self.assets.get(&asset).copied()
    }
}

impl ProcessManager for LateFees {
    type Log = Finance;
    type State = Outstanding;

    const NAME: &'static str = "late-fees";

    fn evolve(state: &mut Outstanding, event: &Recorded<FinanceEvent>) {
        match &event.event {
            FinanceEvent::AssetRegistered(event) => {
                let then = AssetThen {
                    sender: event.sender,
                    receiver: event.receiver,
                    value: event.value,
                };
                state.assets.insert(event.asset, then);
            }
            FinanceEvent::AssetRevalued(event) => {
                if let Some(asset) = state.assets.get_mut(&event.asset) {
                    asset.value = event.value;
                }
            }
            FinanceEvent::ProductIssued(event) => {
                let terms = &event.terms;
                let (due_date, asset) = (terms.due_date, terms.asset);
                state.open(event.product, Open { due_date, asset });
            }
            FinanceEvent::PaymentRecorded(event) => state.set(event.product, event.outstanding),
            FinanceEvent::LateFeeIncurred(event) => state.charged(event),
            _ => {}
        }
    }

    /// A product that can't bear a fee gets its command as well: its refusal is the warning.
    fn react(state: &Outstanding, event: &Recorded<FinanceEvent>) -> Reaction<Finance> {
        let FinanceEvent::SystemCycled(cycled) = &event.event else {
            return Reaction::nothing();
        };
        let date = cycled.new_date;
        state.past_due(date).fold(Reaction::nothing(), |reaction, product| {
            reaction.and(&IncurLateFee {
                product,
                date,
                asset: state.asset_of(product),
            })
        })
    }
}
