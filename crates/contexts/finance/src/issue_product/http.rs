//! `POST /finance/products` with `{"amount": "1000.00", "due_date": "2026-03-31", "daily_late_fee_rate":
//! "0.0005", "payer_role": "seller", "companies": [{"company": id, "role": "seller"}]}` and, if there is
//! one, an `asset`, a `deal` and an `id` that the client makes.

use axum::Router;
use axum::routing::post;
use callboard_http::{CommandRequest, CommandSide, Done, JsonBody, Problem};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::IssueProduct;
use crate::amount::Amount;
use crate::creation;
use crate::date;
use crate::event::Finance;
use crate::ids::{AssetId, DealId, ProductId};
use crate::product::{Parties, Role, Terms};
use crate::rate::Rate;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    id: Option<ProductId>,
    amount: Amount,
    #[serde(deserialize_with = "date::strict")]
    due_date: Date,
    daily_late_fee_rate: Rate,
    payer_role: Role,
    companies: Parties,
    asset: Option<AssetId>,
    deal: Option<DealId>,
}

pub(crate) fn routes(side: &CommandSide<Finance>) -> Router {
    Router::new()
        .route("/finance/products", post(issue))
        .with_state(side.clone())
}

async fn issue(request: CommandRequest<Finance>, JsonBody(body): JsonBody<Body>) -> Result<Done, Problem> {
    let command = |product| IssueProduct {
        product,
        terms: Terms {
            amount: body.amount,
            due_date: body.due_date,
            daily_late_fee_rate: body.daily_late_fee_rate,
            payer_role: body.payer_role.clone(),
            companies: body.companies.clone(),
            asset: body.asset,
            deal: body.deal,
        },
    };
    creation::create(request, body.id, &body, command).await
}
