//! `POST /finance/deals` with `{"product_line": 4, "companies": [id], "rating_tier": "A"}` and, if the
//! client makes it, an `id`.

use axum::Router;
use axum::routing::post;
use callboard_http::{CommandRequest, CommandSide, Done, JsonBody, Problem};
use serde::{Deserialize, Serialize};

use super::CreateDeal;
use crate::creation;
use crate::deal::{Companies, ProductLine, RatingTier, Terms};
use crate::event::Finance;
use crate::ids::DealId;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    id: Option<DealId>,
    product_line: ProductLine,
    companies: Companies,
    rating_tier: RatingTier,
}

pub(crate) fn routes(side: &CommandSide<Finance>) -> Router {
    Router::new()
        .route("/finance/deals", post(create))
        .with_state(side.clone())
}

async fn create(request: CommandRequest<Finance>, JsonBody(body): JsonBody<Body>) -> Result<Done, Problem> {
    let command = |deal| CreateDeal {
        deal,
        terms: Terms {
            product_line: body.product_line,
            companies: body.companies.clone(),
            rating_tier: body.rating_tier,
        },
    };
    creation::create(request, body.id, &body, command).await
}
