//! `POST /finance/accounts/{account}/close_funding_account` with `{}`.

use axum::Router;
use axum::routing::post;
use callboard_http::{CommandRequest, CommandSide, Done, JsonBody, PathParam, Problem};
use serde::Deserialize;

use super::CloseFundingAccount;
use crate::event::Finance;
use crate::ids::AccountId;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {}

pub(crate) fn routes(side: &CommandSide<Finance>) -> Router {
    Router::new()
        .route("/finance/accounts/{account}/close_funding_account", post(close))
        .with_state(side.clone())
}

async fn close(
    request: CommandRequest<Finance>,
    PathParam(account): PathParam<AccountId>,
    JsonBody(Body {}): JsonBody<Body>,
) -> Result<Done, Problem> {
    request.execute(CloseFundingAccount { account }).await
}
