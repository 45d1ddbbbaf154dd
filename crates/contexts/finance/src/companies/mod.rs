//! The view `companies`: every company with its balance.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use callboard::{Projection, Recorded};
use serde::{Deserialize, Serialize};

use crate::amount::Balance;
use crate::company::CompanyName;
use crate::event::{Finance, FinanceEvent};
use crate::ids::CompanyId;

/// Keeps the view.
#[derive(Debug)]
pub struct Companies;

/// A company: a row of the table, and an object of the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompanyRow {
    /// Which company.
    pub company: CompanyId,
    /// What it is called.
    pub name: CompanyName,
    /// What it has.
    pub balance: Balance,
}

impl Projection for Companies {
    type Log = Finance;
    type Key = CompanyId;
    type Row = CompanyRow;

    const NAME: &'static str = "companies";
    const VERSION: u32 = 1;
    const TABLE: &'static str = "finance.companies";
    const KEY: &'static [&'static str] = &["company"];
    /// Whatever a stream `company-…` will ever tell, it tells of its own company.
    const KEYED_BY_STREAM: bool = true;

    fn keys(event: &FinanceEvent) -> Vec<CompanyId> {
        match event {
            FinanceEvent::CompanyRegistered(event) => vec![event.company],
            FinanceEvent::DepositedToCompany(event) => vec![event.company],
            FinanceEvent::CompanyDrawn(event) => vec![event.company],
            _ => vec![],
        }
    }

    fn fold(company: &CompanyId, row: Option<CompanyRow>, event: &Recorded<FinanceEvent>) -> Option<CompanyRow> {
        let balance = match &event.event {
            FinanceEvent::CompanyRegistered(event) => {
                return Some(CompanyRow {
                    company: *company,
                    name: event.name.clone(),
                    balance: Balance::ZERO,
                });
            }
            FinanceEvent::DepositedToCompany(event) => event.balance,
            FinanceEvent::CompanyDrawn(event) => event.balance,
            _ => return row,
        };
        row.map(|row| CompanyRow { balance, ..row })
    }
}
