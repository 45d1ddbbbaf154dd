//! `POST /finance/deals/{deal}/update_deal` with
//! `{"product_line": 4, "companies": [id], "rating_tier": "B"}`: the terms as a whole.

use axum::Router;
use axum::routing::post;
use callboard_http::{CommandRequest, CommandSide, Done, JsonBody, PathParam, Problem};
use serde::Deserialize;

use super::UpdateDeal;
use crate::deal::{Companies, ProductLine, RatingTier, Terms};
use crate::event::Finance;
use crate::ids::DealId;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    product_line: ProductLine,
    companies: Companies,
    rating_tier: RatingTier,
}

impl Body {
    fn terms(self) -> Terms {
        Terms {
            product_line: self.product_line,
            companies: self.companies,
            rating_tier: self.rating_tier,
        }
    }
}

pub(crate) fn routes(side: &CommandSide<Finance>) -> Router {
    Router::new()
        .route("/finance/deals/{deal}/update_deal", post(update))
        .with_state(side.clone())
}

async fn update(
    request: CommandRequest<Finance>,
    PathParam(deal): PathParam<DealId>,
    JsonBody(body): JsonBody<Body>,
) -> Result<Done, Problem> {
    let terms = body.terms();
    request.execute(UpdateDeal { deal, terms }).await
}
