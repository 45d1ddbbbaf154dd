//! The deal, and when it is a membership.

use std::fmt;
use std::str::FromStr;

use callboard::{Aggregate, Refusal, StreamName, World};
use serde::{Deserialize, Deserializer, Serialize};

use crate::company::Company;
use crate::event::{Finance, FinanceEvent};
use crate::ids::{CompanyId, DealId};
use crate::list::{InvalidList, each_once};
use crate::membership::Memberships;
use crate::text;

/// The state of one deal's stream: what the decisions see.
#[derive(Debug, Clone, Default)]
pub struct Deal {
    /// What was agreed on; `None` before the deal is created.
    pub terms: Option<Terms>,
    /// How far it is.
    pub status: DealStatus,
}

/// How far a deal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DealStatus {
    /// Created, not activated yet.
    #[default]
    Draft,
    /// Activated.
    Active,
    /// Deleted, for good.
    Deleted,
}

impl FromStr for DealStatus {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "draft" => Ok(Self::Draft),
            "active" => Ok(Self::Active),
            _ => Err("draft or active"),
        }
    }
}

/// What a deal is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// The product line.
    pub product_line: ProductLine,
    /// The companies that take part.
    pub companies: Companies,
    /// How they are rated.
    pub rating_tier: RatingTier,
}

impl Terms {
    /// The company whose membership a deal with these terms is: a deal of product line 4 with
    /// exactly one company is a membership.
    pub fn membership(&self) -> Option<CompanyId> {
        match *self.companies.as_slice() {
            [company] if self.product_line == ProductLine::MEMBERSHIP => Some(company),
            _ => None,
        }
    }

    /// That this deal may have these terms: every company is there, and one whose membership it would
    /// be has no other.
    ///
    /// # Errors
    /// The refusal that names the company.
    pub(crate) fn must_be_possible(&self, world: &World<'_, Finance>, deal: DealId) -> Result<(), Refusal> {
        for company in self.companies.as_slice() {
            Company::find(world, *company)?;
        }
        match self.membership() {
            Some(company) => world.model::<Memberships>().must_be_free(company, deal),
            None => Ok(()),
        }
    }
}

impl Deal {
    /// The stream of this deal.
    pub fn stream(id: DealId) -> StreamName {
        StreamName::of("deal", id)
    }

    /// The deal and its terms, if it is there and not deleted.
    ///
    /// # Errors
    /// The refusal that names it.
    pub fn find<'w>(world: &'w World<'_, Finance>, id: DealId) -> Result<(&'w Self, &'w Terms), Refusal> {
        let deal = world.aggregate::<Self>(&Self::stream(id));
        let missing = || Refusal::not_found("deal-not-found", format!("There is no deal {id}."));
        let terms = deal.terms.as_ref().ok_or_else(missing)?;
        if deal.status == DealStatus::Deleted {
            return Err(Refusal::rule("deal-deleted", format!("The deal {id} is deleted.")));
        }
        Ok((deal, terms))
    }
}

impl Aggregate for Deal {
    type Log = Finance;

    fn evolve(&mut self, event: &FinanceEvent) {
        match event {
            FinanceEvent::DealCreated(event) => self.terms = Some(event.terms.clone()),
            FinanceEvent::DealUpdated(event) => self.terms = Some(event.terms.clone()),
            FinanceEvent::DealActivated(_) => self.status = DealStatus::Active,
            FinanceEvent::DealDeleted(_) => self.status = DealStatus::Deleted,
            _ => {}
        }
    }
}

/// A product line: 1 to 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ProductLine(u8);

/// What no product line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a product line is an integer from 1 to 6")]
pub struct UnknownProductLine;

impl ProductLine {
    /// All of them.
    pub const ALL: [Self; 6] = [Self(1), Self(2), Self(3), Self(4), Self(5), Self(6)];
    /// The product line of memberships.
    pub const MEMBERSHIP: Self = Self(4);

    /// The product line of this number.
    ///
    /// # Errors
    /// [`UnknownProductLine`] when there is none.
    pub fn new(number: u64) -> Result<Self, UnknownProductLine> {
        let known = Self::ALL.into_iter().find(|line| u64::from(line.0) == number);
        known.ok_or(UnknownProductLine)
    }
}

impl<'de> Deserialize<'de> for ProductLine {
    /// Whatever else comes in its place, the refusal names the rule.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl serde::de::Visitor<'_> for Visitor {
            type Value = ProductLine;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&UnknownProductLine, f)
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<ProductLine, E> {
                let unexpected = serde::de::Unexpected::Unsigned(number);
                ProductLine::new(number).map_err(|_| E::invalid_value(unexpected, &self))
            }
        }

        deserializer.deserialize_u64(Visitor)
    }
}

impl FromStr for ProductLine {
    type Err = UnknownProductLine;

    fn from_str(text: &str) -> Result<Self, UnknownProductLine> {
        let known = Self::ALL.into_iter().find(|line| line.0.to_string() == text);
        known.ok_or(UnknownProductLine)
    }
}

/// How the companies of a deal are rated, from `A`, the best, to `D`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum RatingTier {
    /// The best.
    A,
    /// Good.
    B,
    /// Fair.
    C,
    /// The worst.
    D,
}

impl RatingTier {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::A, Self::B, Self::C, Self::D];
}

/// What no rating tier is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a rating tier is A, B, C or D")]
pub struct UnknownRatingTier;

impl FromStr for RatingTier {
    type Err = UnknownRatingTier;

    fn from_str(text: &str) -> Result<Self, UnknownRatingTier> {
        match text {
            "A" => Ok(Self::A),
            "B" => Ok(Self::B),
            "C" => Ok(Self::C),
            "D" => Ok(Self::D),
            _ => Err(UnknownRatingTier),
        }
    }
}

impl<'de> Deserialize<'de> for RatingTier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::read(deserializer, UnknownRatingTier)
    }
}

/// The companies of a deal: 1 to 100, each once, in the order given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<CompanyId>")]
pub struct Companies(Vec<CompanyId>);

impl Companies {
    /// The companies in their order.
    pub fn as_slice(&self) -> &[CompanyId] {
        &self.0
    }
}

impl TryFrom<Vec<CompanyId>> for Companies {
    type Error = InvalidList;

    fn try_from(companies: Vec<CompanyId>) -> Result<Self, InvalidList> {
        each_once(companies, "companies", |company| format!("the company {company}")).map(Self)
    }
}
