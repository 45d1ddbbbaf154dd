//! `POST /finance/accounts` with `{"company": id}` and, if the client makes it, an `id`.

use axum::Router;
use axum::routing::post;
use callboard_http::{CommandRequest, CommandSide, Done, JsonBody, Problem};
use serde::{Deserialize, Serialize};

use super::OpenFundingAccount;
use crate::creation;
use crate::event::Finance;
use crate::ids::{AccountId, CompanyId};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    id: Option<AccountId>,
    company: CompanyId,
}

pub(crate) fn routes(side: &CommandSide<Finance>) -> Router {
    Router::new()
        .route("/finance/accounts", post(open))
        .with_state(side.clone())
}

async fn open(request: CommandRequest<Finance>, JsonBody(body): JsonBody<Body>) -> Result<Done, Problem> {
    let command = |account| OpenFundingAccount {
        account,
        company: body.company,
    };
    creation::create(request, body.id, &body, command).await
}
