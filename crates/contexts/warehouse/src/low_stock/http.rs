//! `GET /warehouse/low_stock`, ordered by SKU.

use axum::Router;
use axum::routing::get;
use callboard::Views;
use callboard_http::{Listing, Problem, QuerySide, Rows, ViewQuery};

use super::{LowStock, LowStockRow};

pub(crate) fn routes(side: &QuerySide<'_, impl Views>) -> Router {
    Router::new()
        .route("/warehouse/low_stock", get(list))
        .with_state(side.view::<LowStock>())
}

async fn list(query: ViewQuery<LowStock>) -> Result<Rows<LowStockRow>, Problem> {
    query.list(Listing::by_key()).await
}
