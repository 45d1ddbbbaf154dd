//! The view `accounts`: every funding account with its balance.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use callboard::{Projection, Recorded};
use serde::{Deserialize, Serialize};

use crate::account::AccountStatus;
use crate::amount::Balance;
use crate::event::{Finance, FinanceEvent};
use crate::ids::{AccountId, CompanyId};

/// Keeps the view.
#[derive(Debug)]
pub struct Accounts;

/// A funding account: a row of the table, and an object of the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountRow {
    /// Which account.
    pub account: AccountId,
    /// The company that it belongs to.
    pub company: CompanyId,
    /// Whether it takes grants.
    pub status: AccountStatus,
    /// What it has.
    pub balance: Balance,
}

impl Projection for Accounts {
    type Log = Finance;
    type Key = AccountId;
    type Row = AccountRow;

    const NAME: &'static str = "accounts";
    const VERSION: u32 = 1;
    const TABLE: &'static str = "finance.accounts";
    const KEY: &'static [&'static str] = &["account"];
    /// Whatever a stream `account-…` will ever tell, it tells of its own account.
    const KEYED_BY_STREAM: bool = true;

    fn keys(event: &FinanceEvent) -> Vec<AccountId> {
        match event {
            FinanceEvent::FundingAccountOpened(event) => vec![event.account],
            FinanceEvent::FundingAccountClosed(event) => vec![event.account],
            FinanceEvent::FundingAccountCredited(event) => vec![event.account],
            _ => vec![],
        }
    }

    fn fold(account: &AccountId, row: Option<AccountRow>, event: &Recorded<FinanceEvent>) -> Option<AccountRow> {
        match &event.event {
            FinanceEvent::FundingAccountOpened(event) => Some(AccountRow {
                account: *account,
                company: event.company,
                status: AccountStatus::Active,
                balance: Balance::ZERO,
            }),
            FinanceEvent::FundingAccountClosed(_) => row.map(|row| AccountRow {
                status: AccountStatus::Closed,
                ..row
            }),
            FinanceEvent::FundingAccountCredited(event) => row.map(|row| AccountRow {
                balance: event.balance,
                ..row
            }),
            _ => row,
        }
    }
}
