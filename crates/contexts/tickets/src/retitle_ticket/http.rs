//! `POST /tickets/tickets/{id}/retitle_ticket` with `{"title": "No light in the hall"}`.

use axum::Router;
use axum::routing::post;
use callboard_http::{CommandRequest, CommandSide, Done, JsonBody, PathParam, Problem};
use serde::Deserialize;

use super::RetitleTicket;
use crate::event::Tickets;
use crate::ticket::{TicketId, Title};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    title: Title,
}

pub(crate) fn routes(side: &CommandSide<Tickets>) -> Router {
    Router::new()
        .route("/tickets/tickets/{id}/retitle_ticket", post(retitle))
        .with_state(side.clone())
}

async fn retitle(
    request: CommandRequest<Tickets>,
    PathParam(ticket): PathParam<TicketId>,
    JsonBody(Body { title }): JsonBody<Body>,
) -> Result<Done, Problem> {
    request.execute(RetitleTicket { ticket, title }).await
}
