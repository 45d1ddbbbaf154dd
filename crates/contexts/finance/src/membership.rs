//! Memberships: what a company has while a deal of product line 4 has it as its only company.
//!
//! A company has one membership at the most: while there is one, activated or not, another deal
//! that would be one is refused. So that nobody has to remember every deal, the events of deals say
//! whose membership the deal is, or was before.

use callboard::{LiveModel, Refusal};
use rpds::HashTrieMapSync;
use serde::{Deserialize, Serialize};

use crate::deal::RatingTier;
use crate::event::{Finance, FinanceEvent};
use crate::ids::{CompanyId, DealId};

/// A company's membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The deal that it is.
    pub deal: DealId,
    /// How the company is rated.
    pub rating_tier: RatingTier,
    /// Whether the deal is activated.
    pub activated: bool,
}

/// Every company's membership, over the streams of all deals. Its size is that of the memberships
/// that there are; a clone shares everything.
#[derive(Debug, Clone, Default)]
pub struct Memberships {
    of: HashTrieMapSync<CompanyId, Membership>,
}

impl Memberships {
    /// The membership of this company.
    pub fn of(&self, company: CompanyId) -> Option<&Membership> {
        self.of.get(&company)
    }

    /// Every company that has one, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (CompanyId, Membership)> {
        self.of.iter().map(|(company, membership)| (*company, *membership))
    }

    /// That this deal may be the membership of this company.
    ///
    /// # Errors
    /// The refusal that names the company and the deal that is its membership already.
    pub fn must_be_free(&self, company: CompanyId, deal: DealId) -> Result<(), Refusal> {
        match self.of(company) {
            Some(held) if held.deal != deal => {
                let detail = format!("The company {company} has a membership, the deal {}.", held.deal);
                Err(Refusal::rule("company-has-membership", detail))
            }
            _ => Ok(()),
        }
    }
}

impl LiveModel for Memberships {
    type Log = Finance;

    fn evolve(&mut self, event: &FinanceEvent) {
        for (company, change) in changes(event) {
            match change.apply(self.of.get(&company).copied()) {
                Some(membership) => self.of.insert_mut(company, membership),
                None => {
                    self.of.remove_mut(&company);
                }
            }
        }
    }
}

/// What an event does to one company's membership.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Change {
    /// It is this from now on.
    Is(Membership),
    /// Its deal was activated.
    Activated,
    /// It is over.
    Over,
}

impl Change {
    /// The membership afterwards.
    pub(crate) fn apply(self, before: Option<Membership>) -> Option<Membership> {
        match self {
            Self::Is(membership) => Some(membership),
            Self::Activated => before.map(|before| Membership {
                activated: true,
                ..before
            }),
            Self::Over => None,
        }
    }
}

/// The memberships that an event touches: each company at most once.
pub(crate) fn changes(event: &FinanceEvent) -> Vec<(CompanyId, Change)> {
    let is = |deal, terms: &crate::deal::Terms, activated| {
        let (rating_tier, company) = (terms.rating_tier, terms.membership());
        let membership = Membership {
            deal,
            rating_tier,
            activated,
        };
        company.map(|company| (company, Change::Is(membership)))
    };
    match event {
        FinanceEvent::DealCreated(event) => is(event.deal, &event.terms, false).into_iter().collect(),
        FinanceEvent::DealUpdated(event) => {
            let now = is(event.deal, &event.terms, event.activated);
            let over = event.membership_before.map(|company| (company, Change::Over));
            let over = over.filter(|(company, _)| event.terms.membership() != Some(*company));
            over.into_iter().chain(now).collect()
        }
        FinanceEvent::DealActivated(event) => {
            let company = event.membership;
            company
                .map(|company| (company, Change::Activated))
                .into_iter()
                .collect()
        }
        FinanceEvent::DealDeleted(event) => {
            let company = event.membership;
            company.map(|company| (company, Change::Over)).into_iter().collect()
        }
        _ => Vec::new(),
    }
}
