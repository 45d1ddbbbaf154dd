//! `GET /finance/calendar`, from the oldest date to the newest.

use axum::Router;
use axum::routing::get;
use callboard::Views;
use callboard_http::{Listing, Problem, QuerySide, Rows, ViewQuery};

use super::{CycleRow, Cycles};

pub(crate) fn routes(side: &QuerySide<'_, impl Views>) -> Router {
    Router::new()
        .route("/finance/calendar", get(list))
        .with_state(side.view::<Cycles>())
}

async fn list(query: ViewQuery<Cycles>) -> Result<Rows<CycleRow>, Problem> {
    query.list(Listing::by_key()).await
}
