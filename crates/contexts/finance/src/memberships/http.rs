//! `GET /finance/memberships`, ordered by id, and `GET /finance/memberships/{company}`.

use axum::Router;
use axum::routing::get;
use callboard::Views;
use callboard_http::{Listing, PathParam, Problem, QuerySide, Row, Rows, ViewQuery};

use super::{MembershipRow, Memberships};
use crate::ids::CompanyId;

pub(crate) fn routes(side: &QuerySide<'_, impl Views>) -> Router {
    Router::new()
        .route("/finance/memberships", get(list))
        .route("/finance/memberships/{company}", get(one))
        .with_state(side.view::<Memberships>())
}

async fn list(query: ViewQuery<Memberships>) -> Result<Rows<MembershipRow>, Problem> {
    query.list(Listing::by_key()).await
}

async fn one(
    query: ViewQuery<Memberships>,
    PathParam(company): PathParam<CompanyId>,
) -> Result<Row<MembershipRow>, Problem> {
    query.one(&company, "This company has no membership.").await
}
