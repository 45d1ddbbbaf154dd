//! `GET /finance/companies`, ordered by id, and `GET /finance/companies/{company}`.

use axum::Router;
use axum::routing::get;
use callboard::Views;
use callboard_http::{Listing, PathParam, Problem, QuerySide, Row, Rows, ViewQuery};

use super::{Companies, CompanyRow};
use crate::ids::CompanyId;

pub(crate) fn routes(side: &QuerySide<'_, impl Views>) -> Router {
    Router::new()
        .route("/finance/companies", get(list))
        .route("/finance/companies/{company}", get(one))
        .with_state(side.view::<Companies>())
}

async fn list(query: ViewQuery<Companies>) -> Result<Rows<CompanyRow>, Problem> {
    query.list(Listing::by_key()).await
}

async fn one(
    query: ViewQuery<Companies>,
    PathParam(company): PathParam<CompanyId>,
) -> Result<Row<CompanyRow>, Problem> {
    query.one(&company, "There is no company with this id.").await
}
