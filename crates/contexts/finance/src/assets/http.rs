//! `GET /finance/assets`, ordered by id (filters: `sender`, `receiver`), and `GET /finance/assets/{asset}`.

use axum::Router;
use axum::routing::get;
use callboard::Views;
use callboard_http::{Listing, PathParam, Problem, QuerySide, Row, Rows, ViewQuery};

use super::{AssetRow, Assets};
use crate::ids::{AssetId, CompanyId};

pub(crate) fn routes(side: &QuerySide<'_, impl Views>) -> Router {
    Router::new()
        .route("/finance/assets", get(list))
        .route("/finance/assets/{asset}", get(one))
        .with_state(side.view::<Assets>())
}

async fn list(query: ViewQuery<Assets>) -> Result<Rows<AssetRow>, Problem> {
    query
        .list(
            Listing::by_key()
                .filter::<CompanyId>("sender")
                .filter::<CompanyId>("receiver"),
        )
        .await
}

async fn one(query: ViewQuery<Assets>, PathParam(asset): PathParam<AssetId>) -> Result<Row<AssetRow>, Problem> {
    query.one(&asset, "There is no asset with this id.").await
}
