//! Plausible commands made of a seed, for tests: one maker for each command, and [`Factory::any`],
//! which knows what it made before and hits every rule now and then.

mod products;
mod request;
#[cfg(test)]
mod tests;

use callboard::writer::AnyCommand;
use jiff::civil::Date;
use uuid::Uuid;

use crate::activate_deal::ActivateDeal;
use crate::amount::{Amount, Balance};
use crate::close_funding_account::CloseFundingAccount;
use crate::create_deal::CreateDeal;
use crate::deal::{ProductLine, RatingTier, Terms};
use crate::delete_deal::DeleteDeal;
use crate::deposit_to_company::DepositToCompany;
use crate::event::Finance;
use crate::grant::{Destination, Source};
use crate::grant_balances::GrantBalances;
use crate::ids::{AccountId, AssetId, CompanyId, DealId};
use crate::issue_product::IssueProduct;
use crate::open_funding_account::OpenFundingAccount;
use crate::register_asset::RegisterAsset;
use crate::register_company::RegisterCompany;
use crate::revalue_asset::RevalueAsset;
use crate::update_deal::UpdateDeal;

pub use request::Request;

/// How many things of a kind it makes at the most, so that commands meet.
const FEW: usize = 6;

const NAMES: [&str; 8] = [
    "Acme",
    "Aldgate Freight",
    "Brightwater & Sons",
    "Cobalt Works",
    "Delta Grain",
    "Hansa Kontor",
    "Norrland Timber",
    "Società Meridiana",
];

/// Makes commands; the same ones in the same order for the same seed.
#[derive(Debug)]
pub struct Factory {
    dice: fastrand::Rng,
    companies: Vec<CompanyId>,
    assets: Vec<AssetId>,
    accounts: Vec<(AccountId, CompanyId)>,
    deals: Vec<DealId>,
    products: Vec<IssueProduct>,
    /// The newest date that it let begin.
    date: Date,
}

impl Factory {
    /// A factory that has made nothing yet.
    pub fn new(seed: u64) -> Self {
        Self {
            dice: fastrand::Rng::with_seed(seed),
            companies: Vec::new(),
            assets: Vec::new(),
            accounts: Vec::new(),
            deals: Vec::new(),
            products: Vec::new(),
            date: Date::constant(2026, 1, 1),
        }
    }

    /// A fresh id.
    pub fn id<I: From<Uuid>>(&mut self) -> I {
        uuid::Builder::from_random_bytes(self.dice.u128(..).to_be_bytes())
            .into_uuid()
            .into()
    }

    /// An amount up to 10000.00: mostly cents, now and then all four decimals.
    pub fn amount(&mut self) -> Amount {
        let step = if self.dice.u8(..8) == 0 { 1 } else { 100 };
        let units = self.dice.i64(1..=100_000_000 / step) * step;
        Amount::from_units(units).expect("more than 0 and far from the largest")
    }

    /// A balance up to 10000.00, 0 now and then.
    pub fn balance(&mut self) -> Balance {
        if self.dice.u8(..4) == 0 {
            Balance::ZERO
        } else {
            self.amount().into()
        }
    }

    /// A company.
    pub fn register_company(&mut self) -> RegisterCompany {
        let name = self.dice.choice(NAMES).expect("there are names");
        RegisterCompany {
            company: self.id(),
            name: name.parse().expect("a name"),
        }
    }

    /// A deposit to this company.
    pub fn deposit_to_company(&mut self, company: CompanyId) -> DepositToCompany {
        DepositToCompany {
            company,
            amount: self.amount(),
        }
    }

    /// An asset between these companies.
    pub fn register_asset(&mut self, sender: CompanyId, receiver: CompanyId) -> RegisterAsset {
        RegisterAsset {
            asset: self.id(),
            sender,
            receiver,
            value: self.amount(),
            opening_balance: self.balance(),
        }
    }

    /// Another value for this asset.
    pub fn revalue_asset(&mut self, asset: AssetId) -> RevalueAsset {
        RevalueAsset {
            asset,
            value: self.amount(),
        }
    }

    /// An account of this company.
    pub fn open_funding_account(&mut self, company: CompanyId) -> OpenFundingAccount {
        OpenFundingAccount {
            account: self.id(),
            company,
        }
    }

    /// Terms between some of these companies: a membership one time in three.
    ///
    /// # Panics
    /// When there are no companies.
    pub fn terms(&mut self, companies: &[CompanyId]) -> Terms {
        let mut companies = companies.to_vec();
        self.dice.shuffle(&mut companies);
        let (product_line, many) = if self.dice.u8(..3) == 0 {
            (ProductLine::MEMBERSHIP, 1)
        } else {
            let line = self.dice.choice(ProductLine::ALL).expect("there are product lines");
            (line, self.dice.usize(1..=companies.len().min(3)))
        };
        companies.truncate(many);
        Terms {
            product_line,
            companies: companies.try_into().expect("some, each once"),
            rating_tier: self.dice.choice(RatingTier::ALL).expect("there are tiers"),
        }
    }

    /// A deal between some of these companies.
    ///
    /// # Panics
    /// When there are no companies.
    pub fn create_deal(&mut self, companies: &[CompanyId]) -> CreateDeal {
        CreateDeal {
            deal: self.id(),
            terms: self.terms(companies),
        }
    }

    /// New terms for this deal between some of these companies.
    ///
    /// # Panics
    /// When there are no companies.
    pub fn update_deal(&mut self, deal: DealId, companies: &[CompanyId]) -> UpdateDeal {
        UpdateDeal {
            deal,
            terms: self.terms(companies),
        }
    }

    /// A grant from some of these sources to some of these accounts.
    ///
    /// # Panics
    /// When there are no sources, no accounts, or one is given twice.
    pub fn grant_balances(&mut self, sources: &[Source], accounts: &[(AccountId, CompanyId)]) -> GrantBalances {
        let sources = self.some(sources);
        let accounts = self.some(accounts);
        let destination = |(account, company)| Destination {
            company,
            account,
            amount: self.amount(),
        };
        let destinations: Vec<_> = accounts.into_iter().map(destination).collect();
        GrantBalances {
            grant: self.id(),
            sources: sources.try_into().expect("some, each once"),
            destinations: destinations.try_into().expect("some, each once"),
        }
    }

    /// One to three of these, in any order.
    fn some<T: Clone>(&mut self, of: &[T]) -> Vec<T> {
        let mut some = of.to_vec();
        self.dice.shuffle(&mut some);
        some.truncate(self.dice.usize(1..=3));
        some
    }

    /// Any command, about what earlier ones made or, now and then, about nothing that there is.
    pub fn any(&mut self) -> Box<dyn AnyCommand<Finance>> {
        let company = self.known_company();
        match self.dice.u8(..24) {
            0 | 1 => self.next_company(),
            2..=4 => Box::new(self.deposit_to_company(company)),
            5 => {
                let command = self.register_asset(company, company);
                keep(&mut self.assets, command.asset);
                Box::new(command)
            }
            6 => {
                let asset = self.dice.choice(&self.assets).copied();
                let asset = asset.unwrap_or_else(|| self.id());
                Box::new(self.revalue_asset(asset))
            }
            7 => {
                let command = self.open_funding_account(company);
                keep(&mut self.accounts, (command.account, company));
                Box::new(command)
            }
            8 => {
                let account = self.dice.choice(&self.accounts).map(|(account, _)| *account);
                // Rarely, so that some stay open.
                let account = account.filter(|_| self.dice.u8(..8) == 0);
                let account = account.unwrap_or_else(|| self.id());
                Box::new(CloseFundingAccount { account })
            }
            9..=15 => self.any_of_deals(),
            16..=19 => self.any_of_products(),
            _ => self.any_grant(),
        }
    }

    /// A company that was made, or one that there isn't.
    fn known_company(&mut self) -> CompanyId {
        let known = self.dice.choice(&self.companies).copied();
        let known = known.filter(|_| self.dice.u8(..16) > 0);
        known.unwrap_or_else(|| self.id())
    }

    fn next_company(&mut self) -> Box<dyn AnyCommand<Finance>> {
        let command = self.register_company();
        keep(&mut self.companies, command.company);
        Box::new(command)
    }

    /// Any command about deals.
    pub fn any_of_deals(&mut self) -> Box<dyn AnyCommand<Finance>> {
        if self.companies.len() < 4 {
            return self.next_company();
        }
        let companies = self.companies.clone();
        let deal = self.dice.choice(&self.deals).copied();
        let deal = deal.unwrap_or_else(|| self.id());
        match self.dice.u8(..8) {
            0..=2 => {
                let command = self.create_deal(&companies);
                keep(&mut self.deals, command.deal);
                Box::new(command)
            }
            3..=5 => Box::new(self.update_deal(deal, &companies)),
            6 => Box::new(ActivateDeal { deal }),
            _ => Box::new(DeleteDeal { deal }),
        }
    }

    fn any_grant(&mut self) -> Box<dyn AnyCommand<Finance>> {
        let companies = self.companies.iter().map(|company| Source::Company(*company));
        let assets = self.assets.iter().map(|asset| Source::Asset(*asset));
        let sources: Vec<_> = companies.chain(assets).collect();
        let accounts = self.accounts.clone();
        if sources.is_empty() || accounts.is_empty() {
            return self.next_company();
        }
        Box::new(self.grant_balances(&sources, &accounts))
    }
}

/// Remembers the newest few.
fn keep<T>(known: &mut Vec<T>, new: T) {
    if known.len() >= FEW {
        known.remove(0);
    }
    known.push(new);
}
