//! The grant, and the words that its command and its events share.

use std::fmt;

use callboard::{Aggregate, StreamName};
use serde::{Deserialize, Deserializer, Serialize};

use crate::amount::{Amount, Balance};
use crate::event::{Finance, FinanceEvent};
use crate::ids::{AccountId, AssetId, CompanyId, GrantId};
use crate::list::{self, Element, InvalidList, each_once};

/// The state of one grant's stream: what the decisions see.
#[derive(Debug, Clone, Default)]
pub struct Grant {
    /// Whether it was made.
    pub made: bool,
}

impl Grant {
    /// The stream of this grant.
    pub fn stream(id: GrantId) -> StreamName {
        StreamName::of("grant", id)
    }
}

impl Aggregate for Grant {
    type Log = Finance;

    fn evolve(&mut self, event: &FinanceEvent) {
        if let FinanceEvent::BalancesGranted(_) = event {
            self.made = true;
        }
    }
}

/// What a grant takes from: `{"asset": id}` or `{"company": id}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "Named")]
pub enum Source {
    /// An asset.
    Asset(AssetId),
    /// A company.
    Company(CompanyId),
}

/// A source as it is read: serde's own reading of an enum says neither the field nor the rule.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    #[serde(default, deserialize_with = "given")]
    asset: Option<AssetId>,
    #[serde(default, deserialize_with = "given")]
    company: Option<CompanyId>,
}

/// What is given is an id: `null` is none.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// What no source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a source is either an asset or a company, by its id")]
struct InvalidSource;

impl TryFrom<Named> for Source {
    type Error = InvalidSource;

    fn try_from(named: Named) -> Result<Self, InvalidSource> {
        match (named.asset, named.company) {
            (Some(asset), None) => Ok(Self::Asset(asset)),
            (None, Some(company)) => Ok(Self::Company(company)),
            _ => Err(InvalidSource),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asset(asset) => write!(f, "asset {asset}"),
            Self::Company(company) => write!(f, "company {company}"),
        }
    }
}

/// The sources of a grant: 1 to 100, each once, in the order in which they are drawn down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sources(Vec<Source>);

impl Sources {
    /// The sources in their order.
    pub fn as_slice(&self) -> &[Source] {
        &self.0
    }
}

impl Element for Source {
    const RULE: &'static str = "a source is either an asset or a company, by its id";
}

impl<'de> Deserialize<'de> for Sources {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        list::read::<Source, _, _>(deserializer)
    }
}

impl TryFrom<Vec<Source>> for Sources {
    type Error = InvalidList;

    fn try_from(sources: Vec<Source>) -> Result<Self, InvalidList> {
        each_once(sources, "sources", |source| format!("the source {source}")).map(Self)
    }
}

/// Who gets how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// The company that the account belongs to.
    pub company: CompanyId,
    /// The funding account.
    pub account: AccountId,
    /// How much.
    pub amount: Amount,
}

/// The destinations of a grant: 1 to 100, each account once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Destinations(Vec<Destination>);

impl Destinations {
    /// The destinations in the order given.
    pub fn as_slice(&self) -> &[Destination] {
        &self.0
    }
}

impl Element for Destination {
    const RULE: &'static str = "a destination is a company, its account and an amount";
}

impl<'de> Deserialize<'de> for Destinations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        list::read::<Destination, _, _>(deserializer)
    }
}

impl TryFrom<Vec<Destination>> for Destinations {
    type Error = InvalidList;

    fn try_from(destinations: Vec<Destination>) -> Result<Self, InvalidList> {
        let account = |destination: &Destination| format!("the account {}", destination.account);
        each_once(destinations, "destinations", account).map(Self)
    }
}

/// What a grant took from one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draw {
    /// What it took from.
    #[serde(flatten)]
    pub source: Source,
    /// How much.
    pub amount: Amount,
    /// What the source had then.
    pub balance: Balance,
}

/// What a grant gave to one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credit {
    /// The company that the account belongs to.
    pub company: CompanyId,
    /// The funding account.
    pub account: AccountId,
    /// How much.
    pub amount: Amount,
    /// What the account had then.
    pub balance: Balance,
}
