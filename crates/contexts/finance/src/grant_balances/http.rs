//! `POST /finance/grants` with
//! `{"sources": [{"asset": id}], "destinations": [{"company": id, "account": id, "amount": "12.50"}]}` and,
//! if the client makes it, an `id`.

use axum::Router;
use axum::routing::post;
use callboard_http::{CommandRequest, CommandSide, Done, JsonBody, Problem};
use serde::{Deserialize, Serialize};

use super::GrantBalances;
use crate::creation;
use crate::event::Finance;
use crate::grant::{Destinations, Sources};
use crate::ids::GrantId;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    id: Option<GrantId>,
    sources: Sources,
    destinations: Destinations,
}

pub(crate) fn routes(side: &CommandSide<Finance>) -> Router {
    Router::new()
        .route("/finance/grants", post(grant))
        .with_state(side.clone())
}

async fn grant(request: CommandRequest<Finance>, JsonBody(body): JsonBody<Body>) -> Result<Done, Problem> {
    let command = |grant| GrantBalances {
        grant,
        sources: body.sources.clone(),
        destinations: body.destinations.clone(),
    };
    creation::create(request, body.id, &body, command).await
}
