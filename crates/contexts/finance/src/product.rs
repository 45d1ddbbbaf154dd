//! The financial product: what is owed, by when, and what is owed on top of it when it is late.

mod dates;
#[cfg(test)]
pub(crate) mod samples;

use std::fmt;
use std::str::FromStr;

use callboard::{Aggregate, Refusal, StreamName, World};
use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize};

use crate::amount::{Amount, Balance};
use crate::event::{Finance, FinanceEvent};
use crate::ids::{AssetId, CompanyId, DealId, ProductId};
use crate::list::{self, Element, InvalidList, each_once};
use crate::rate::Rate;
use crate::text;

pub(crate) use dates::Dates;

/// The state of one product's stream: what the decisions see.
#[derive(Debug, Clone, Default)]
pub struct Product {
    /// What was agreed on; `None` before the product is issued.
    pub terms: Option<Terms>,
    /// The late fees in all.
    pub fees: Balance,
    /// The payments in all.
    pub paid: Balance,
    /// What is still to be paid: the amount and the late fees, less the payments.
    pub outstanding: Balance,
    /// The dates that bear a late fee.
    pub(crate) late_on: Dates,
}

/// What a product is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// What is to be paid, without late fees.
    pub amount: Amount,
    /// The last date on which a payment is not late.
    pub due_date: Date,
    /// What share of the asset's value each late date costs.
    pub daily_late_fee_rate: Rate,
    /// The role of the company that pays late fees.
    pub payer_role: Role,
    /// The companies of the deal, each with its role.
    pub companies: Parties,
    /// The asset that late fees are counted by. It may be registered later; until then there are none.
    pub asset: Option<AssetId>,
    /// The deal that the product belongs to.
    pub deal: Option<DealId>,
}

impl Product {
    /// The stream of this product.
    pub fn stream(id: ProductId) -> StreamName {
        StreamName::of("product", id)
    }

    /// The product and its terms, if there is one.
    ///
    /// # Errors
    /// The refusal that names it.
    pub fn find<'w>(world: &'w World<'_, Finance>, id: ProductId) -> Result<(&'w Self, &'w Terms), Refusal> {
        let product = world.aggregate::<Self>(&Self::stream(id));
        let missing = || Refusal::not_found("product-not-found", format!("There is no product {id}."));
        let terms = product.terms.as_ref().ok_or_else(missing)?;
        Ok((product, terms))
    }
}

impl Aggregate for Product {
    type Log = Finance;

    fn evolve(&mut self, event: &FinanceEvent) {
        match event {
            FinanceEvent::ProductIssued(event) => {
                self.outstanding = event.terms.amount.into();
                self.terms = Some(event.terms.clone());
            }
            FinanceEvent::PaymentRecorded(event) => {
                (self.paid, self.outstanding) = (event.paid, event.outstanding);
            }
            FinanceEvent::LateFeeIncurred(event) => {
                (self.fees, self.outstanding) = (event.fees, event.outstanding);
                self.late_on.insert(event.date);
            }
            _ => {}
        }
    }
}

/// What a company is in a deal: 1 to 40 of small letters, digits, `_` and `-`, e.g. `seller`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Role(String);

/// What no role looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a role is 1 to 40 of small letters, digits, '_' and '-'")]
pub struct InvalidRole;

impl FromStr for Role {
    type Err = InvalidRole;

    fn from_str(text: &str) -> Result<Self, InvalidRole> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
        let valid = (1..=40).contains(&text.len()) && text.bytes().all(allowed);
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidRole)
        }
    }
}

impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::read(deserializer, InvalidRole)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A company with its role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Party {
    /// Which company.
    pub company: CompanyId,
    /// What it is in the deal.
    pub role: Role,
}

/// The companies of a product: 1 to 100, each once, in the order given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parties(Vec<Party>);

impl Parties {
    /// The companies in their order.
    pub fn as_slice(&self) -> &[Party] {
        &self.0
    }

    /// The companies that have this role.
    pub fn with_role<'a>(&'a self, role: &'a Role) -> impl Iterator<Item = CompanyId> + 'a {
        let having = self.0.iter().filter(move |party| party.role == *role);
        having.map(|party| party.company)
    }
}

impl Element for Party {
    const RULE: &'static str = "a company with its role";
}

impl<'de> Deserialize<'de> for Parties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        list::read::<Party, _, _>(deserializer)
    }
}

impl TryFrom<Vec<Party>> for Parties {
    type Error = InvalidList;

    fn try_from(parties: Vec<Party>) -> Result<Self, InvalidList> {
        each_once(parties, "companies", |party| format!("the company {}", party.company)).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_1_to_40_of_the_allowed_characters() {
        for valid in ["seller", "co-debtor_2", &"r".repeat(40)] {
            assert_eq!(valid.parse::<Role>().map(|role| role.to_string()), Ok(valid.to_owned()));
        }
        for invalid in ["", "Seller", "a b", "ä", "a\0", &"r".repeat(41)] {
            assert_eq!(invalid.parse::<Role>(), Err(InvalidRole), "{invalid:?}");
        }
    }
}
