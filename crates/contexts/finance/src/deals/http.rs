//! `GET /finance/deals`, ordered by id (filters: `product_line`, `status`), and `GET /finance/deals/{deal}`.

use axum::Router;
use axum::routing::get;
use callboard::Views;
use callboard_http::{Listing, PathParam, Problem, QuerySide, Row, Rows, ViewQuery};

use super::{DealRow, Deals};
use crate::deal::{DealStatus, ProductLine};
use crate::ids::DealId;

pub(crate) fn routes(side: &QuerySide<'_, impl Views>) -> Router {
    Router::new()
        .route("/finance/deals", get(list))
        .route("/finance/deals/{deal}", get(one))
        .with_state(side.view::<Deals>())
}

async fn list(query: ViewQuery<Deals>) -> Result<Rows<DealRow>, Problem> {
    query
        .list(
            Listing::by_key()
                .filter::<ProductLine>("product_line")
                .filter::<DealStatus>("status"),
        )
        .await
}

async fn one(query: ViewQuery<Deals>, PathParam(deal): PathParam<DealId>) -> Result<Row<DealRow>, Problem> {
    query.one(&deal, "There is no deal with this id.").await
}
