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
use crate::incur_late_fee::{AssetThen, IncurLateFee};

/// Reacts to the calendar.
#[derive(Debug)]
pub struct LateFees;

/// What it remembers, as of the event that it looks at: assets and what they are worth, and which
/// products are outstanding, ordered by their due dates, so that a new date touches those alone that
/// are past due.
#[derive(Debug, Default)]
pub struct Outstanding {
    assets: HashMap<AssetId, AssetThen>,
    products: HashMap<ProductId, (Date, Option<AssetId>)>,
    due: BTreeSet<(Date, ProductId)>,
}

impl Outstanding {
    /// So much of a product is outstanding since. A settled one may be late again: a fee that was on
    /// its way is owed all the same.
    fn set(&mut self, product: ProductId, outstanding: Balance) {
        let Some((due_date, _)) = self.products.get(&product) else {
            return;
        };
        if outstanding == Balance::ZERO {
            self.due.remove(&(*due_date, product));
        } else {
            self.due.insert((*due_date, product));
        }
    }

    /// The products that are past due on this date, the longest due first.
    fn past_due(&self, on: Date) -> impl Iterator<Item = ProductId> {
        let late = self.due.iter().take_while(move |(due_date, _)| *due_date < on);
        late.map(|(_, product)| *product)
    }

    fn asset_of(&self, product: ProductId) -> Option<AssetThen> {
        let (_, asset) = self.products.get(&product)?;
        self.assets.get(&(*asset)?).copied()
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
                state.products.insert(event.product, (terms.due_date, terms.asset));
                state.set(event.product, terms.amount.into());
            }
            FinanceEvent::PaymentRecorded(event) => state.set(event.product, event.outstanding),
            FinanceEvent::LateFeeIncurred(event) => state.set(event.product, event.outstanding),
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
