//! `POST /tickets/tickets/{id}/assign_ticket` with `{"assignee": "ann"}`.

use axum::Router;
use axum::routing::post;
use callboard_http::{CommandRequest, CommandSide, Done, JsonBody, PathParam, Problem};
use serde::Deserialize;

use super::AssignTicket;
use crate::event::Tickets;
use crate::ticket::{Assignee, TicketId};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    assignee: Assignee,
}

pub(crate) fn routes(side: &CommandSide<Tickets>) -> Router {
    Router::new()
        .route("/tickets/tickets/{id}/assign_ticket", post(assign))
        .with_state(side.clone())
}

async fn assign(
    request: CommandRequest<Tickets>,
    PathParam(ticket): PathParam<TicketId>,
    JsonBody(Body { assignee }): JsonBody<Body>,
) -> Result<Done, Problem> {
    request.execute(AssignTicket { ticket, assignee }).await
}
