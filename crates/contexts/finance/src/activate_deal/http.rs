//! `POST /finance/deals/{deal}/activate_deal` with `{}`.

use axum::Router;
use axum::routing::post;
use callboard_http::{CommandRequest, CommandSide, Done, JsonBody, PathParam, Problem};
use serde::Deserialize;

use super::ActivateDeal;
use crate::event::Finance;
use crate::ids::DealId;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {}

pub(crate) fn routes(side: &CommandSide<Finance>) -> Router {
    Router::new()
        .route("/finance/deals/{deal}/activate_deal", post(activate))
        .with_state(side.clone())
}

async fn activate(
    request: CommandRequest<Finance>,
    PathParam(deal): PathParam<DealId>,
    JsonBody(Body {}): JsonBody<Body>,
) -> Result<Done, Problem> {
    request.execute(ActivateDeal { deal }).await
}
