//! `POST /finance/deals/{deal}/delete_deal` with `{}`.

use axum::Router;
use axum::routing::post;
use callboard_http::{CommandRequest, CommandSide, Done, JsonBody, PathParam, Problem};
use serde::Deserialize;

use super::DeleteDeal;
use crate::event::Finance;
use crate::ids::DealId;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {}

pub(crate) fn routes(side: &CommandSide<Finance>) -> Router {
    Router::new()
        .route("/finance/deals/{deal}/delete_deal", post(delete))
        .with_state(side.clone())
}

async fn delete(
    request: CommandRequest<Finance>,
    PathParam(deal): PathParam<DealId>,
    JsonBody(Body {}): JsonBody<Body>,
) -> Result<Done, Problem> {
    request.execute(DeleteDeal { deal }).await
}
