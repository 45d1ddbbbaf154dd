//! `POST /tickets/tickets/{id}/reopen_ticket` with `{}`.

use axum::Router;
use axum::routing::post;
use callboard_http::{CommandRequest, CommandSide, Done, JsonBody, PathParam, Problem};
use serde::Deserialize;

use super::ReopenTicket;
use crate::event::Tickets;
use crate::ticket::TicketId;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {}

pub(crate) fn routes(side: &CommandSide<Tickets>) -> Router {
    Router::new()
        .route("/tickets/tickets/{id}/reopen_ticket", post(reopen))
        .with_state(side.clone())
}

async fn reopen(
    request: CommandRequest<Tickets>,
    PathParam(ticket): PathParam<TicketId>,
    JsonBody(Body {}): JsonBody<Body>,
) -> Result<Done, Problem> {
    request.execute(ReopenTicket { ticket }).await
}
