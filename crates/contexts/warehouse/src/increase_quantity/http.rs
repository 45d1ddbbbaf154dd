//! `POST /warehouse/products/{sku}/increase_quantity` with `{"quantity": 50}`.

use axum::Router;
use axum::routing::post;
use callboard_http::{CommandRequest, CommandSide, Done, JsonBody, PathParam, Problem};
use serde::Deserialize;

use super::IncreaseProductQuantity;
use crate::event::Warehouse;
use crate::product::{Quantity, Sku};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    quantity: Quantity,
}

pub(crate) fn routes(side: &CommandSide<Warehouse>) -> Router {
    Router::new()
        .route("/warehouse/products/{sku}/increase_quantity", post(increase))
        .with_state(side.clone())
}

async fn increase(
    request: CommandRequest<Warehouse>,
    PathParam(sku): PathParam<Sku>,
    JsonBody(Body { quantity }): JsonBody<Body>,
) -> Result<Done, Problem> {
    request.execute(IncreaseProductQuantity { sku, quantity }).await
}
