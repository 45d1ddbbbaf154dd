//! `POST /finance/companies/{company}/deposit_to_company` with `{"amount": "12.50"}`.

use axum::Router;
use axum::routing::post;
use callboard_http::{CommandRequest, CommandSide, Done, JsonBody, PathParam, Problem};
use serde::Deserialize;

use super::DepositToCompany;
use crate::amount::Amount;
use crate::event::Finance;
use crate::ids::CompanyId;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    amount: Amount,
}

pub(crate) fn routes(side: &CommandSide<Finance>) -> Router {
    Router::new()
        .route("/finance/companies/{company}/deposit_to_company", post(deposit))
        .with_state(side.clone())
}

async fn deposit(
    request: CommandRequest<Finance>,
    PathParam(company): PathParam<CompanyId>,
    JsonBody(Body { amount }): JsonBody<Body>,
) -> Result<Done, Problem> {
    request.execute(DepositToCompany { company, amount }).await
}
