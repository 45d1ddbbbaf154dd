//! `GET /warehouse/products`, ordered by SKU, and `GET /warehouse/products/{sku}`.

use axum::Router;
use axum::routing::get;
use callboard::Views;
use callboard_http::{Listing, PathParam, Problem, QuerySide, Row, Rows, ViewQuery};

use super::{ProductRow, Products};
use crate::product::Sku;

pub(crate) fn routes(side: &QuerySide<'_, impl Views>) -> Router {
    Router::new()
        .route("/warehouse/products", get(list))
        .route("/warehouse/products/{sku}", get(one))
        .with_state(side.view::<Products>())
}

async fn list(query: ViewQuery<Products>) -> Result<Rows<ProductRow>, Problem> {
    query.list(Listing::by_key()).await
}

async fn one(query: ViewQuery<Products>, PathParam(sku): PathParam<Sku>) -> Result<Row<ProductRow>, Problem> {
    query.one(&sku, "There is no product with this SKU.").await
}
