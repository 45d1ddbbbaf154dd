//! `POST /finance/assets` with `{"sender": id, "receiver": id, "value": "100.00", "opening_balance": "0.00"}`
//! and, if the client makes it, an `id`.

use axum::Router;
use axum::routing::post;
use callboard_http::{CommandRequest, CommandSide, Done, JsonBody, Problem};
use serde::{Deserialize, Serialize};

use super::RegisterAsset;
use crate::amount::{Amount, Balance};
use crate::creation;
use crate::event::Finance;
use crate::ids::{AssetId, CompanyId};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    id: Option<AssetId>,
    sender: CompanyId,
    receiver: CompanyId,
    value: Amount,
    opening_balance: Balance,
}

pub(crate) fn routes(side: &CommandSide<Finance>) -> Router {
    Router::new()
        .route("/finance/assets", post(register))
        .with_state(side.clone())
}

async fn register(request: CommandRequest<Finance>, JsonBody(body): JsonBody<Body>) -> Result<Done, Problem> {
    let command = |asset| RegisterAsset {
        asset,
        sender: body.sender,
        receiver: body.receiver,
        value: body.value,
        opening_balance: body.opening_balance,
    };
    creation::create(request, body.id, &body, command).await
}
