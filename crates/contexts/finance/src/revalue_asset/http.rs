//! `POST /finance/assets/{asset}/revalue_asset` with `{"value": "120.00"}`.

use axum::Router;
use axum::routing::post;
use callboard_http::{CommandRequest, CommandSide, Done, JsonBody, PathParam, Problem};
use serde::Deserialize;

use super::RevalueAsset;
use crate::amount::Amount;
use crate::event::Finance;
use crate::ids::AssetId;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    value: Amount,
}

pub(crate) fn routes(side: &CommandSide<Finance>) -> Router {
    Router::new()
        .route("/finance/assets/{asset}/revalue_asset", post(revalue))
        .with_state(side.clone())
}

async fn revalue(
    request: CommandRequest<Finance>,
    PathParam(asset): PathParam<AssetId>,
    JsonBody(Body { value }): JsonBody<Body>,
) -> Result<Done, Problem> {
    request.execute(RevalueAsset { asset, value }).await
}
