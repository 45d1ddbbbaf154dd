//! `POST /tickets/tickets/{id}/close_ticket` with `{"resolution": "A new bulb."}`.

use axum::Router;
use axum::routing::post;
use callboard_http::{CommandRequest, CommandSide, Done, JsonBody, PathParam, Problem};
use serde::Deserialize;

use super::CloseTicket;
use crate::event::Tickets;
use crate::ticket::{Resolution, TicketId};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    resolution: Resolution,
}

pub(crate) fn routes(side: &CommandSide<Tickets>) -> Router {
    Router::new()
        .route("/tickets/tickets/{id}/close_ticket", post(close))
        .with_state(side.clone())
}

async fn close(
    request: CommandRequest<Tickets>,
    PathParam(ticket): PathParam<TicketId>,
    JsonBody(Body { resolution }): JsonBody<Body>,
) -> Result<Done, Problem> {
    request.execute(CloseTicket { ticket, resolution }).await
}
