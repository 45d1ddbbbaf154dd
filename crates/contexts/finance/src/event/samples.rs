//! Ids, amounts and events as the tests of all features write them: an id is a number.

use callboard::StreamName;
use uuid::Uuid;

use crate::FinanceEvent;
use crate::amount::{Amount, Balance};
use crate::close_funding_account::FundingAccountClosed;
use crate::create_deal::DealCreated;
use crate::deal::{ProductLine, RatingTier, Terms};
use crate::deposit_to_company::DepositedToCompany;
use crate::grant::{Destination, Source};
use crate::ids::{AccountId, AssetId, CompanyId, DealId, GrantId};
use crate::open_funding_account::FundingAccountOpened;
use crate::register_asset::AssetRegistered;
use crate::register_company::CompanyRegistered;

pub(crate) fn company(number: u128) -> CompanyId {
    Uuid::from_u128(number).into()
}

pub(crate) fn asset(number: u128) -> AssetId {
    Uuid::from_u128(number).into()
}

pub(crate) fn account(number: u128) -> AccountId {
    Uuid::from_u128(number).into()
}

pub(crate) fn deal(number: u128) -> DealId {
    Uuid::from_u128(number).into()
}

pub(crate) fn grant(number: u128) -> GrantId {
    Uuid::from_u128(number).into()
}

pub(crate) fn amount(text: &str) -> Amount {
    text.parse().expect("an amount")
}

pub(crate) fn balance(text: &str) -> Balance {
    text.parse().expect("a balance")
}

/// The stream of the thing of this kind and number.
pub(crate) fn on(kind: &str, number: u128) -> String {
    StreamName::of(kind, Uuid::from_u128(number)).to_string()
}

pub(crate) fn registered(number: u128) -> FinanceEvent {
    CompanyRegistered {
        company: company(number),
        name: "Acme".parse().expect("a name"),
    }
    .into()
}

pub(crate) fn deposited(number: u128, by: &str, to: &str) -> FinanceEvent {
    DepositedToCompany {
        company: company(number),
        amount: amount(by),
        balance: balance(to),
    }
    .into()
}

/// An asset from company 1 to company 2, worth 100.00.
pub(crate) fn asset_registered(number: u128, has: &str) -> FinanceEvent {
    AssetRegistered {
        asset: asset(number),
        sender: company(1),
        receiver: company(2),
        value: amount("100.00"),
        balance: balance(has),
    }
    .into()
}

pub(crate) fn opened(number: u128, of: u128) -> FinanceEvent {
    FundingAccountOpened {
        account: account(number),
        company: company(of),
    }
    .into()
}

pub(crate) fn closed(number: u128, of: u128) -> FinanceEvent {
    FundingAccountClosed {
        account: account(number),
        company: company(of),
    }
    .into()
}

pub(crate) fn terms(product_line: u64, companies: &[u128], rating_tier: RatingTier) -> Terms {
    let companies: Vec<_> = companies.iter().map(|number| company(*number)).collect();
    Terms {
        product_line: ProductLine::new(product_line).expect("a product line"),
        companies: companies.try_into().expect("companies"),
        rating_tier,
    }
}

pub(crate) fn created(number: u128, terms: Terms) -> FinanceEvent {
    DealCreated {
        deal: deal(number),
        terms,
    }
    .into()
}

pub(crate) fn from_asset(number: u128) -> Source {
    Source::Asset(asset(number))
}

pub(crate) fn from_company(number: u128) -> Source {
    Source::Company(company(number))
}

pub(crate) fn to(account_number: u128, of: u128, much: &str) -> Destination {
    Destination {
        company: company(of),
        account: account(account_number),
        amount: amount(much),
    }
}
