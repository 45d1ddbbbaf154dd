//! `GET /finance/grants`, ordered by id, and `GET /finance/grants/{grant}`.

use axum::Router;
use axum::routing::get;
use callboard::Views;
use callboard_http::{Listing, PathParam, Problem, QuerySide, Row, Rows, ViewQuery};

use super::{GrantRow, Grants};
use crate::ids::GrantId;

pub(crate) fn routes(side: &QuerySide<'_, impl Views>) -> Router {
    Router::new()
        .route("/finance/grants", get(list))
        .route("/finance/grants/{grant}", get(one))
        .with_state(side.view::<Grants>())
}

async fn list(query: ViewQuery<Grants>) -> Result<Rows<GrantRow>, Problem> {
    query.list(Listing::by_key()).await
}

async fn one(query: ViewQuery<Grants>, PathParam(grant): PathParam<GrantId>) -> Result<Row<GrantRow>, Problem> {
    query.one(&grant, "There is no grant with this id.").await
}
