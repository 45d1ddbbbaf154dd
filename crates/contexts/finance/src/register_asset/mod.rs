//! An asset is registered, with what it has at the beginning.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use callboard::{Command, Decision, EventType, Moment, Reads, Refusal, Route, StreamName, World};
use serde::{Deserialize, Serialize};

use crate::amount::{Amount, Balance};
use crate::asset::Asset;
use crate::company::Company;
use crate::event::{Finance, FinanceEvent};
use crate::ids::{AssetId, CompanyId};

/// Register an asset. Both companies must be there; they may be the same one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RegisterAsset {
    /// Its id from now on.
    pub asset: AssetId,
    /// The company that it comes from.
    pub sender: CompanyId,
    /// The company that it goes to.
    pub receiver: CompanyId,
    /// What it is worth.
    pub value: Amount,
    /// What it has at the beginning.
    pub opening_balance: Balance,
}

/// An asset was registered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AssetRegistered {
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

impl AssetRegistered {
    /// The wire name.
    pub const NAME: &'static str = "AssetRegistered";
    /// What is written today.
    pub const TYPE: EventType = EventType::new(Self::NAME, 1);
}

impl From<AssetRegistered> for FinanceEvent {
    fn from(event: AssetRegistered) -> Self {
        Self::AssetRegistered(event)
    }
}

impl Command for RegisterAsset {
    type Log = Finance;
    const NAME: &'static str = "RegisterAsset";
    const ROUTE: Route = Route {
        aggregate: "Asset",
        stream: "asset-{asset}",
        events: &[AssetRegistered::TYPE],
        refusals: &["asset-already-registered", "company-not-found"],
    };

    fn stream(&self) -> StreamName {
        Asset::stream(self.asset)
    }

    fn reads(&self) -> Reads<Finance> {
        Reads::of::<Asset>(self.stream()).and_all::<Company>([self.sender, self.receiver].map(Company::stream))
    }

    fn decide(&self, world: &World<'_, Finance>, _: &Moment) -> Result<Decision<FinanceEvent>, Refusal> {
        if world.aggregate::<Asset>(&self.stream()).registered.is_some() {
            let detail = format!("The asset {} is registered already.", self.asset);
            return Err(Refusal::rule("asset-already-registered", detail));
        }
        Company::find(world, self.sender)?;
        Company::find(world, self.receiver)?;
        let event = AssetRegistered {
            asset: self.asset,
            sender: self.sender,
            receiver: self.receiver,
            value: self.value,
            balance: self.opening_balance,
        };
        Ok(Decision::event(event).created(self.asset.into()))
    }
}
