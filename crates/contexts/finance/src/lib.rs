#![doc = include_str!("../README.md")]

pub mod amount;
pub mod company;
mod event;
pub mod ids;
pub mod rate;
pub mod register_company;

pub use event::{Finance, FinanceEvent};

impl callboard::Context for Finance {
    type Log = Self;

    fn router() -> callboard::Router<Self> {
        callboard::Router::new().command::<register_company::RegisterCompany>()
    }

    fn subscribers<S: callboard::Subscribers<Self>>(_: &mut S) {}
}

impl callboard_http::HttpContext for Finance {
    fn command_routes(_: &callboard_http::CommandSide<Self>) -> axum::Router {
        axum::Router::new()
    }

    fn query_routes<V: callboard::Views>(_: &callboard_http::QuerySide<'_, V>) -> axum::Router {
        axum::Router::new()
    }
}
