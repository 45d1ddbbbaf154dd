//! A financial product is issued: an amount that a deal's companies owe by a date.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use callboard::{Command, Decision, EventType, Moment, Reads, Refusal, Route, StreamName, World};
use serde::{Deserialize, Serialize};

use crate::company::Company;
use crate::deal::Deal;
use crate::event::{Finance, FinanceEvent};
use crate::ids::ProductId;
use crate::product::{Product, Terms};

/// Issue a product. Its companies must be there, and take part in its deal if it names one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IssueProduct {
    /// Its id from now on.
    pub product: ProductId,
    /// What it is about.
    #[serde(flatten)]
    pub terms: Terms,
}

/// A product was issued.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProductIssued {
    /// Which product.
    pub product: ProductId,
    /// What it is about.
    #[serde(flatten)]
    pub terms: Terms,
}

impl ProductIssued {
    /// The wire name.
    pub const NAME: &'static str = "ProductIssued";
    /// What is written today.
    pub const TYPE: EventType = EventType::new(Self::NAME, 1);
}

impl From<ProductIssued> for FinanceEvent {
    fn from(event: ProductIssued) -> Self {
        Self::ProductIssued(event)
    }
}

impl Command for IssueProduct {
    type Log = Finance;
    const NAME: &'static str = "IssueProduct";
    const ROUTE: Route = Route {
        aggregate: "Product",
        stream: "product-{product}",
        events: &[ProductIssued::TYPE],
        refusals: &[
            "product-already-issued",
            "company-not-found",
            "payer-role-not-given",
            "deal-not-found",
            "deal-deleted",
            "company-not-in-deal",
        ],
    };

    fn stream(&self) -> StreamName {
        Product::stream(self.product)
    }

    fn reads(&self) -> Reads<Finance> {
        let companies = self.terms.companies.as_slice().iter();
        Reads::of::<Product>(self.stream())
            .and_all::<Company>(companies.map(|party| Company::stream(party.company)))
            .and_all::<Deal>(self.terms.deal.map(Deal::stream))
    }

    fn decide(&self, world: &World<'_, Finance>, _: &Moment) -> Result<Decision<FinanceEvent>, Refusal> {
        if world.aggregate::<Product>(&self.stream()).terms.is_some() {
            let detail = format!("The product {} was issued already.", self.product);
            return Err(Refusal::rule("product-already-issued", detail));
        }
        let Terms {
            companies,
            payer_role,
            deal,
            ..
        } = &self.terms;
        for party in companies.as_slice() {
            Company::find(world, party.company)?;
        }
        if companies.with_role(payer_role).next().is_none() {
            let detail = format!("No company of the product has the payer's role {payer_role}.");
            return Err(Refusal::rule("payer-role-not-given", detail));
        }
        if let Some(deal) = deal {
            self.must_fit(world, *deal)?;
        }
        let event = ProductIssued {
            product: self.product,
            terms: self.terms.clone(),
        };
        Ok(Decision::event(event).created(self.product.into()))
    }
}

impl IssueProduct {
    fn must_fit(&self, world: &World<'_, Finance>, id: crate::ids::DealId) -> Result<(), Refusal> {
        let (_, deal) = Deal::find(world, id)?;
        let mut companies = self.terms.companies.as_slice().iter().map(|party| party.company);
        match companies.find(|company| !deal.companies.as_slice().contains(company)) {
            Some(company) => {
                let detail = format!("The company {company} takes no part in the deal {id}.");
                Err(Refusal::rule("company-not-in-deal", detail))
            }
            None => Ok(()),
        }
    }
}
