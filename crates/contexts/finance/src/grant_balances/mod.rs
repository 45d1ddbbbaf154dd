//! Balances of assets and companies are granted to funding accounts: one rule over many streams,
//! decided on one consistent moment.
//!
//! A source is named once, and so is an account; more amounts for one account are one amount. A
//! source that isn't needed any more when its turn comes keeps what it has.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use callboard::{Command, Decision, EventType, Moment, Reads, Refusal, Route, StreamName, World};
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::amount::{Amount, Balance, Total, overflow};
use crate::asset::Asset;
use crate::company::Company;
use crate::event::{Finance, FinanceEvent};
use crate::grant::{Credit, Destinations, Draw, Grant, Source, Sources};
use crate::ids::{AccountId, AssetId, CompanyId, GrantId};

/// Grant balances of the sources, drawn down in their order, to funding accounts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GrantBalances {
    /// Its id from now on.
    pub grant: GrantId,
    /// What is drawn down.
    pub sources: Sources,
    /// Who gets how much.
    pub destinations: Destinations,
}

/// Balances were granted: the whole of it, on the grant's stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BalancesGranted {
    /// Which grant.
    pub grant: GrantId,
    /// How much in all.
    pub total: Amount,
    /// What was taken, in the order of the sources; what gave nothing is not among them.
    pub draws: Vec<Draw>,
    /// What was given.
    pub credits: Vec<Credit>,
}

impl BalancesGranted {
    /// The wire name.
    pub const NAME: &'static str = "BalancesGranted";
    /// What is written today.
    pub const TYPE: EventType = EventType::new(Self::NAME, 1);
}

impl From<BalancesGranted> for FinanceEvent {
    fn from(event: BalancesGranted) -> Self {
        Self::BalancesGranted(event)
    }
}

/// A grant took from an asset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AssetDrawn {
    /// Which asset.
    pub asset: AssetId,
    /// The grant that it was for.
    pub grant: GrantId,
    /// How much.
    pub amount: Amount,
    /// What the asset has since.
    pub balance: Balance,
}

impl AssetDrawn {
    /// The wire name.
    pub const NAME: &'static str = "AssetDrawn";
    /// What is written today.
    pub const TYPE: EventType = EventType::new(Self::NAME, 1);
}

impl From<AssetDrawn> for FinanceEvent {
    fn from(event: AssetDrawn) -> Self {
        Self::AssetDrawn(event)
    }
}

/// A grant took from a company.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompanyDrawn {
    /// Which company.
    pub company: CompanyId,
    /// The grant that it was for.
    pub grant: GrantId,
    /// How much.
    pub amount: Amount,
    /// What the company has since.
    pub balance: Balance,
}

impl CompanyDrawn {
    /// The wire name.
    pub const NAME: &'static str = "CompanyDrawn";
    /// What is written today.
    pub const TYPE: EventType = EventType::new(Self::NAME, 1);
}

impl From<CompanyDrawn> for FinanceEvent {
    fn from(event: CompanyDrawn) -> Self {
        Self::CompanyDrawn(event)
    }
}

/// A grant gave to a funding account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FundingAccountCredited {
    /// Which account.
    pub account: AccountId,
    /// The company that it belongs to.
    pub company: CompanyId,
    /// The grant that it is from.
    pub grant: GrantId,
    /// How much.
    pub amount: Amount,
    /// What the account has since.
    pub balance: Balance,
}

impl FundingAccountCredited {
    /// The wire name.
    pub const NAME: &'static str = "FundingAccountCredited";
    /// What is written today.
    pub const TYPE: EventType = EventType::new(Self::NAME, 1);
}

impl From<FundingAccountCredited> for FinanceEvent {
    fn from(event: FundingAccountCredited) -> Self {
        Self::FundingAccountCredited(event)
    }
}

impl Command for GrantBalances {
    type Log = Finance;
    const NAME: &'static str = "GrantBalances";
    const ROUTE: Route = Route {
        aggregate: "Grant",
        stream: "grant-{grant}",
        events: &[
            BalancesGranted::TYPE,
            AssetDrawn::TYPE,
            CompanyDrawn::TYPE,
            FundingAccountCredited::TYPE,
        ],
        refusals: &[
            "grant-already-made",
            "asset-not-found",
            "company-not-found",
            "source-without-balance",
            "account-not-found",
            "account-of-another-company",
            "account-closed",
            "insufficient-balance",
            "balance-overflow",
        ],
    };

    fn stream(&self) -> StreamName {
        Grant::stream(self.grant)
    }

    fn reads(&self) -> Reads<Finance> {
        let reads = Reads::of::<Grant>(self.stream());
        let reads = self
            .sources
            .as_slice()
            .iter()
            .fold(reads, |reads, source| match source {
                Source::Asset(asset) => reads.and::<Asset>(Asset::stream(*asset)),
                Source::Company(company) => reads.and::<Company>(Company::stream(*company)),
            });
        let destinations = self.destinations.as_slice().iter();
        reads.and_all::<Account>(destinations.map(|destination| Account::stream(destination.account)))
    }

    fn decide(&self, world: &World<'_, Finance>, _: &Moment) -> Result<Decision<FinanceEvent>, Refusal> {
        if world.aggregate::<Grant>(&self.stream()).made {
            let detail = format!("The grant {} was made already.", self.grant);
            return Err(Refusal::rule("grant-already-made", detail));
        }
        let available = self.available(world)?;
        let credits = self.credits(world)?;
        let granted: Total = credits.iter().map(|credit| credit.amount).collect();
        let in_all: Total = available.iter().map(|(_, amount)| *amount).collect();
        if granted > in_all {
            let detail = format!("The total granted is {granted}, but the total available is {in_all}.");
            return Err(Refusal::rule("insufficient-balance", detail));
        }
        let total = granted
            .amount()
            .ok_or_else(|| overflow(format_args!("The grant {}", self.grant)))?;
        Ok(self.decision(total, draw_down(&available, granted), credits))
    }
}

impl GrantBalances {
    /// What each source has, which is more than nothing.
    fn available(&self, world: &World<'_, Finance>) -> Result<Vec<(Source, Amount)>, Refusal> {
        let available = self.sources.as_slice().iter().map(|source| {
            let balance = match *source {
                Source::Asset(asset) => Asset::find(world, asset)?.0.balance,
                Source::Company(company) => Company::find(world, company)?.balance,
            };
            let nothing = || Refusal::rule("source-without-balance", format!("The source {source} has no balance."));
            Ok((*source, balance.all().ok_or_else(nothing)?))
        });
        available.collect()
    }

    /// What each account gets and has then.
    fn credits(&self, world: &World<'_, Finance>) -> Result<Vec<Credit>, Refusal> {
        let credits = self.destinations.as_slice().iter().map(|destination| {
            let id = destination.account;
            let (account, owner) = Account::find(world, id)?;
            if owner != destination.company {
                let detail = format!(
                    "The account {id} doesn't belong to the company {}.",
                    destination.company
                );
                return Err(Refusal::rule("account-of-another-company", detail));
            }
            account.must_be_active(id)?;
            let balance = account.balance.plus(destination.amount);
            Ok(Credit {
                company: owner,
                account: id,
                amount: destination.amount,
                balance: balance.ok_or_else(|| overflow(format_args!("The account {id}")))?,
            })
        });
        credits.collect()
    }

    /// The whole on the grant's stream, and each part on the stream that it is about.
    fn decision(&self, total: Amount, draws: Vec<Draw>, credits: Vec<Credit>) -> Decision<FinanceEvent> {
        let grant = self.grant;
        let decision = Decision::event(BalancesGranted {
            grant,
            total,
            draws: draws.clone(),
            credits: credits.clone(),
        });
        let decision = draws
            .into_iter()
            .fold(decision, |decision, draw| draw.record(grant, decision));
        let decision = credits.into_iter().fold(decision, |decision, credit| {
            let event = FundingAccountCredited {
                account: credit.account,
                company: credit.company,
                grant,
                amount: credit.amount,
                balance: credit.balance,
            };
            decision.and_on(Account::stream(credit.account), event)
        });
        decision.created(grant.into())
    }
}

impl Draw {
    fn record(self, grant: GrantId, decision: Decision<FinanceEvent>) -> Decision<FinanceEvent> {
        let (amount, balance) = (self.amount, self.balance);
        match self.source {
            Source::Asset(asset) => {
                let event = AssetDrawn {
                    asset,
                    grant,
                    amount,
                    balance,
                };
                decision.and_on(Asset::stream(asset), event)
            }
            Source::Company(company) => {
                let event = CompanyDrawn {
                    company,
                    grant,
                    amount,
                    balance,
                };
                decision.and_on(Company::stream(company), event)
            }
        }
    }
}

/// Takes so much from the sources in their order, from each as much as it has.
fn draw_down(available: &[(Source, Amount)], mut left: Total) -> Vec<Draw> {
    let mut draws = Vec::new();
    for (source, has) in available {
        let Some(amount) = left.at_most(*has) else { break };
        left = left.less(amount);
        draws.push(Draw {
            source: *source,
            amount,
            balance: Balance::from(*has).minus(amount).expect("no more than it has"),
        });
    }
    draws
}
