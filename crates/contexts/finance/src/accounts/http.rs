//! `GET /finance/accounts`, ordered by id (filters: `company`, `status`), and `GET /finance/accounts/{account}`.

use axum::Router;
use axum::routing::get;
use callboard::Views;
use callboard_http::{Listing, PathParam, Problem, QuerySide, Row, Rows, ViewQuery};

use super::{AccountRow, Accounts};
use crate::account::AccountStatus;
use crate::ids::{AccountId, CompanyId};

pub(crate) fn routes(side: &QuerySide<'_, impl Views>) -> Router {
    Router::new()
        .route("/finance/accounts", get(list))
        .route("/finance/accounts/{account}", get(one))
        .with_state(side.view::<Accounts>())
}

async fn list(query: ViewQuery<Accounts>) -> Result<Rows<AccountRow>, Problem> {
    query
        .list(
            Listing::by_key()
                .filter::<CompanyId>("company")
                .filter::<AccountStatus>("status"),
        )
        .await
}

async fn one(query: ViewQuery<Accounts>, PathParam(account): PathParam<AccountId>) -> Result<Row<AccountRow>, Problem> {
    query.one(&account, "There is no funding account with this id.").await
}
