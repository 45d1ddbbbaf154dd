//! `GET /finance/products`, ordered by id (filters: `asset`, `deal`), and `GET /finance/products/{product}`.

use axum::Router;
use axum::routing::get;
use callboard::Views;
use callboard_http::{Listing, PathParam, Problem, QuerySide, Row, Rows, ViewQuery};

use super::{ProductRow, Products};
use crate::ids::{AssetId, DealId, ProductId};

pub(crate) fn routes(side: &QuerySide<'_, impl Views>) -> Router {
    Router::new()
        .route("/finance/products", get(list))
        .route("/finance/products/{product}", get(one))
        .with_state(side.view::<Products>())
}

async fn list(query: ViewQuery<Products>) -> Result<Rows<ProductRow>, Problem> {
    query
        .list(Listing::by_key().filter::<AssetId>("asset").filter::<DealId>("deal"))
        .await
}

async fn one(query: ViewQuery<Products>, PathParam(product): PathParam<ProductId>) -> Result<Row<ProductRow>, Problem> {
    query.one(&product, "There is no product with this id.").await
}
