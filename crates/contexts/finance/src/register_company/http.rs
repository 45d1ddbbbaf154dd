//! `POST /finance/companies` with `{"name": "Acme"}` and, if the client makes it, an `id`.

use axum::Router;
use axum::routing::post;
use callboard_http::{CommandRequest, CommandSide, Done, JsonBody, Problem};
use serde::{Deserialize, Serialize};

use super::RegisterCompany;
use crate::company::CompanyName;
use crate::creation;
use crate::event::Finance;
use crate::ids::CompanyId;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    id: Option<CompanyId>,
    name: CompanyName,
}

pub(crate) fn routes(side: &CommandSide<Finance>) -> Router {
    Router::new()
        .route("/finance/companies", post(register))
        .with_state(side.clone())
}

async fn register(request: CommandRequest<Finance>, JsonBody(body): JsonBody<Body>) -> Result<Done, Problem> {
    let command = |company| RegisterCompany {
        company,
        name: body.name.clone(),
    };
    creation::create(request, body.id, &body, command).await
}
