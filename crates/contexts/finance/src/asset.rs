//! The asset: what goes from one company to another, what it is worth, and what it has.

use callboard::{Aggregate, Refusal, StreamName, World};

use crate::amount::{Amount, Balance};
use crate::event::{Finance, FinanceEvent};
use crate::ids::{AssetId, CompanyId};

/// The state of one asset's stream: what the decisions see.
#[derive(Debug, Clone, Default)]
pub struct Asset {
    /// What was registered; `None` before.
    pub registered: Option<Registered>,
    /// What it has.
    pub balance: Balance,
}

/// Who an asset goes from and to, and what it is worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Registered {
    /// The company that it comes from.
    pub sender: CompanyId,
    /// The company that it goes to.
    pub receiver: CompanyId,
    /// What it is worth.
    pub value: Amount,
}

impl Asset {
    /// The stream of this asset.
    pub fn stream(id: AssetId) -> StreamName {
        StreamName::of("asset", id)
    }

    /// The asset, if there is one.
    ///
    /// # Errors
    /// The refusal that names it.
    pub fn find<'w>(world: &'w World<'_, Finance>, id: AssetId) -> Result<(&'w Self, &'w Registered), Refusal> {
        let asset = world.aggregate::<Self>(&Self::stream(id));
        let missing = || Refusal::not_found("asset-not-found", format!("There is no asset {id}."));
        let registered = asset.registered.as_ref().ok_or_else(missing)?;
        Ok((asset, registered))
    }
}

impl Aggregate for Asset {
    type Log = Finance;

    fn evolve(&mut self, event: &FinanceEvent) {
        match event {
            FinanceEvent::AssetRegistered(event) => {
                self.balance = event.balance;
                self.registered = Some(Registered {
                    sender: event.sender,
                    receiver: event.receiver,
                    value: event.value,
                });
            }
            FinanceEvent::AssetRevalued(event) => {
                if let Some(registered) = &mut self.registered {
                    registered.value = event.value;
                }
            }
            FinanceEvent::AssetDrawn(event) => self.balance = event.balance,
            _ => {}
        }
    }
}
