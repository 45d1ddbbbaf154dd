#![doc = include_str!("../README.md")]

pub mod account;
pub mod accounts;
pub mod activate_deal;
pub mod amount;
pub mod asset;
pub mod assets;
pub mod close_funding_account;
pub mod companies;
pub mod company;
mod context;
pub mod create_deal;
mod creation;
pub mod deal;
pub mod deals;
pub mod delete_deal;
pub mod deposit_to_company;
mod event;
pub mod grant;
pub mod grant_balances;
pub mod grants;
pub mod ids;
pub mod list;
pub mod membership;
pub mod memberships;
pub mod open_funding_account;
pub mod rate;
pub mod register_asset;
pub mod register_company;
pub mod revalue_asset;
pub mod update_deal;

pub use event::{Finance, FinanceEvent};
