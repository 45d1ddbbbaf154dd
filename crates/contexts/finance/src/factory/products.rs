//! Commands about products and the calendar.

use callboard::writer::AnyCommand;
use jiff::civil::Date;

use super::{Factory, keep};
use crate::cycle_system::CycleSystem;
use crate::event::Finance;
use crate::ids::{AssetId, CompanyId, DealId, ProductId};
use crate::incur_late_fee::{AssetThen, IncurLateFee};
use crate::issue_product::IssueProduct;
use crate::product::{Parties, Party, Terms};
use crate::record_payment::RecordPayment;

/// The payer's role comes first.
const ROLES: [&str; 4] = ["seller", "buyer", "co-debtor_2", "guarantor"];

impl Factory {
    /// A product of some of these companies, of which the first one pays.
    ///
    /// # Panics
    /// When there are no companies, or one is given twice.
    pub fn issue_product(
        &mut self,
        companies: &[CompanyId],
        asset: Option<AssetId>,
        deal: Option<DealId>,
    ) -> IssueProduct {
        let role = |role: &str| role.parse().expect("a role");
        let some = self.some(companies).into_iter().zip(ROLES);
        let parties: Vec<_> = some
            .map(|(company, of)| Party {
                company,
                role: role(of),
            })
            .collect();
        IssueProduct {
            product: self.id(),
            terms: Terms {
                amount: self.amount(),
                due_date: self.day(),
                daily_late_fee_rate: format!("0.00{}", self.dice.u32(1..=99_999)).parse().expect("a rate"),
                payer_role: role(ROLES[0]),
                companies: Parties::try_from(parties).expect("some, each once"),
                asset,
                deal,
            },
        }
    }

    /// A payment for this product.
    pub fn record_payment(&mut self, product: ProductId) -> RecordPayment {
        RecordPayment {
            product,
            amount: self.amount(),
        }
    }

    /// The next date, or one of the days after it.
    pub fn cycle_system(&mut self) -> CycleSystem {
        let days = self.dice.i64(1..=3);
        self.date = self.date.saturating_add(jiff::Span::new().days(days));
        CycleSystem { new_date: self.date }
    }

    /// A late fee for this product, which its payer owes on a date behind its due date.
    pub fn incur_late_fee(&mut self, product: &IssueProduct) -> IncurLateFee {
        let terms = &product.terms;
        let mut payers = terms.companies.with_role(&terms.payer_role);
        let then = |company| AssetThen {
            sender: company,
            receiver: company,
            value: self.amount(),
        };
        let asset = terms.asset.and(payers.next()).map(then);
        let days = self.dice.i64(1..=60);
        IncurLateFee {
            product: product.product,
            date: terms.due_date.saturating_add(jiff::Span::new().days(days)),
            asset,
        }
    }

    /// Some day of 2026.
    fn day(&mut self) -> Date {
        Date::constant(2026, 1, 1).saturating_add(jiff::Span::new().days(self.dice.i64(0..365)))
    }

    /// Any command about products or the calendar.
    pub(super) fn any_of_products(&mut self) -> Box<dyn AnyCommand<Finance>> {
        let product = self.dice.choice(&self.products).cloned();
        let Some(product) = product else {
            return self.next_product();
        };
        match self.dice.u8(..8) {
            0 | 1 => self.next_product(),
            2 => {
                // Now and then the same date again.
                let again = self.dice.bool().then_some(CycleSystem { new_date: self.date });
                Box::new(again.unwrap_or_else(|| self.cycle_system()))
            }
            3 | 4 => Box::new(self.record_payment(product.product)),
            _ => Box::new(self.incur_late_fee(&product)),
        }
    }

    fn next_product(&mut self) -> Box<dyn AnyCommand<Finance>> {
        if self.companies.is_empty() {
            return self.next_company();
        }
        let companies = self.companies.clone();
        let asset = self.dice.choice(&self.assets).copied();
        let deal = self.dice.choice(&self.deals).copied();
        // Most deals lack one of its companies.
        let deal = deal.filter(|_| self.dice.u8(..4) == 0);
        let command = self.issue_product(&companies, asset, deal);
        keep(&mut self.products, command.clone());
        Box::new(command)
    }
}
