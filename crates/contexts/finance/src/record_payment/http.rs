//! `POST /finance/products/{product}/record_payment` with `{"amount": "250.00"}`.

use axum::Router;
use axum::routing::post;
use callboard_http::{CommandRequest, CommandSide, Done, JsonBody, PathParam, Problem};
use serde::Deserialize;

use super::RecordPayment;
use crate::amount::Amount;
use crate::event::Finance;
use crate::ids::ProductId;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    amount: Amount,
}

pub(crate) fn routes(side: &CommandSide<Finance>) -> Router {
    Router::new()
        .route("/finance/products/{product}/record_payment", post(record))
        .with_state(side.clone())
}

async fn record(
    request: CommandRequest<Finance>,
    PathParam(product): PathParam<ProductId>,
    JsonBody(Body { amount }): JsonBody<Body>,
) -> Result<Done, Problem> {
    request.execute(RecordPayment { product, amount }).await
}
