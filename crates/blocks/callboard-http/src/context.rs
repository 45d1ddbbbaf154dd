//! What a bounded context serves over HTTP.

use axum::Router;
use callboard::{Context, Views};

use crate::command::CommandSide;
use crate::query::QuerySide;

/// A context's routes, as the services mount them: commands and queries apart, or both together.
pub trait HttpContext: Context {
    /// The routes of its commands.
    fn command_routes(side: &CommandSide<Self::Log>) -> Router;

    /// The routes of its views.
    fn query_routes<V: Views>(side: &QuerySide<'_, V>) -> Router;
}
