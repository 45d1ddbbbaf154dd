//! `POST /warehouse/products/{sku}/ship_quantity` with `{"quantity": 49}`.

use axum::Router;
use axum::routing::post;
use callboard_http::{CommandRequest, CommandSide, Done, JsonBody, PathParam, Problem};
use serde::Deserialize;

use super::ShipProductQuantity;
use crate::event::Warehouse;
use crate::product::{Quantity, Sku};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    quantity: Quantity,
}

pub(crate) fn routes(side: &CommandSide<Warehouse>) -> Router {
    Router::new()
        .route("/warehouse/products/{sku}/ship_quantity", post(ship))
        .with_state(side.clone())
}

async fn ship(
    request: CommandRequest<Warehouse>,
    PathParam(sku): PathParam<Sku>,
    JsonBody(Body { quantity }): JsonBody<Body>,
) -> Result<Done, Problem> {
    request.execute(ShipProductQuantity { sku, quantity }).await
}
