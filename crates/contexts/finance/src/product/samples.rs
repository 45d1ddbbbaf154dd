//! Products and what happens to them, as the tests of several features write them.

use jiff::civil::{Date, date};
use uuid::Uuid;

use super::{Parties, Party, Terms};
use crate::FinanceEvent;
use crate::amount::{Amount, Balance};
use crate::cycle_system::SystemCycled;
use crate::ids::{AssetId, CompanyId, DealId, ProductId};
use crate::incur_late_fee::LateFeeIncurred;
use crate::issue_product::ProductIssued;
use crate::record_payment::PaymentRecorded;
use crate::register_asset::AssetRegistered;
use crate::register_company::CompanyRegistered;
use crate::revalue_asset::AssetRevalued;

pub(crate) const DUE: Date = date(2026, 3, 31);

pub(crate) fn product(number: u128) -> ProductId {
    Uuid::from_u128(number).into()
}

pub(crate) fn company(number: u128) -> CompanyId {
    Uuid::from_u128(100 + number).into()
}

pub(crate) fn asset(number: u128) -> AssetId {
    Uuid::from_u128(200 + number).into()
}

pub(crate) fn deal(number: u128) -> DealId {
    Uuid::from_u128(300 + number).into()
}

pub(crate) fn stream(number: u128) -> String {
    format!("product-{}", Uuid::from_u128(number))
}

pub(crate) fn amount(text: &str) -> Amount {
    text.parse().expect("an amount")
}

pub(crate) fn balance(text: &str) -> Balance {
    text.parse().expect("a balance")
}

pub(crate) fn parties(roles: &[(u128, &str)]) -> Parties {
    let party = |(number, role): &(u128, &str)| Party {
        company: company(*number),
        role: role.parse().expect("a role"),
    };
    Parties(roles.iter().map(party).collect())
}

/// 1,000.00, due at the end of March; the seller, company 1, pays 0.1 % a day of asset 1.
pub(crate) fn terms() -> Terms {
    Terms {
        amount: amount("1000.00"),
        due_date: DUE,
        daily_late_fee_rate: "0.001".parse().expect("a rate"),
        payer_role: "seller".parse().expect("a role"),
        companies: parties(&[(1, "seller"), (2, "buyer")]),
        asset: Some(asset(1)),
        deal: None,
    }
}

pub(crate) fn registered(number: u128) -> FinanceEvent {
    CompanyRegistered {
        company: company(number),
        name: format!("Company {number}").parse().expect("a name"),
    }
    .into()
}

pub(crate) fn asset_registered(number: u128, sender: u128, receiver: u128, value: &str) -> FinanceEvent {
    AssetRegistered {
        asset: asset(number),
        sender: company(sender),
        receiver: company(receiver),
        value: amount(value),
        balance: Balance::ZERO,
    }
    .into()
}

pub(crate) fn revalued(number: u128, value: &str) -> FinanceEvent {
    AssetRevalued {
        asset: asset(number),
        value: amount(value),
    }
    .into()
}

pub(crate) fn issued(number: u128, terms: Terms) -> FinanceEvent {
    ProductIssued {
        product: product(number),
        terms,
    }
    .into()
}

pub(crate) fn paid(number: u128, how_much: &str, in_all: &str, outstanding: &str) -> FinanceEvent {
    PaymentRecorded {
        product: product(number),
        amount: amount(how_much),
        paid: balance(in_all),
        outstanding: balance(outstanding),
    }
    .into()
}

/// A fee of company 1 by asset 1 worth 500.00.
pub(crate) fn fee(number: u128, date: Date, how_much: &str, in_all: &str, outstanding: &str) -> FinanceEvent {
    LateFeeIncurred {
        product: product(number),
        date,
        amount: amount(how_much),
        payer: company(1),
        asset: asset(1),
        asset_value: amount("500.00"),
        daily_late_fee_rate: terms().daily_late_fee_rate,
        fees: balance(in_all),
        outstanding: balance(outstanding),
    }
    .into()
}

pub(crate) fn cycled(new_date: Date) -> FinanceEvent {
    SystemCycled {
        new_date,
        previous_date: None,
    }
    .into()
}
