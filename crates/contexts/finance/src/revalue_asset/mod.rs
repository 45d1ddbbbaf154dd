//! An asset is worth something else from now on. What it has stays as it is.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use callboard::{Command, Decision, EventType, Moment, Reads, Refusal, Route, StreamName, World};
use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::asset::Asset;
use crate::event::{Finance, FinanceEvent};
use crate::ids::AssetId;

/// Value an asset anew. The present value changes nothing and records nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RevalueAsset {
    /// Which asset.
    pub asset: AssetId,
    /// What it is worth from now on.
    pub value: Amount,
}

/// An asset was valued anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AssetRevalued {
    /// Which asset.
    pub asset: AssetId,
    /// What it is worth since.
    pub value: Amount,
}

impl AssetRevalued {
    /// The wire name.
    pub const NAME: &'static str = "AssetRevalued";
    /// What is written today.
    pub const TYPE: EventType = EventType::new(Self::NAME, 1);
}

impl From<AssetRevalued> for FinanceEvent {
    fn from(event: AssetRevalued) -> Self {
        Self::AssetRevalued(event)
    }
}

impl Command for RevalueAsset {
    type Log = Finance;
    const NAME: &'static str = "RevalueAsset";
    const ROUTE: Route = Route {
        aggregate: "Asset",
        stream: "asset-{asset}",
        events: &[AssetRevalued::TYPE],
        refusals: &["asset-not-found"],
    };

    fn stream(&self) -> StreamName {
        Asset::stream(self.asset)
    }

    fn reads(&self) -> Reads<Finance> {
        Reads::of::<Asset>(self.stream())
    }

    fn decide(&self, world: &World<'_, Finance>, _: &Moment) -> Result<Decision<FinanceEvent>, Refusal> {
        let (_, registered) = Asset::find(world, self.asset)?;
        if registered.value == self.value {
            return Ok(Decision::nothing());
        }
        Ok(Decision::event(AssetRevalued {
            asset: self.asset,
            value: self.value,
        }))
    }
}
