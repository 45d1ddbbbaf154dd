//! `POST /tickets/tickets` with `{"title": "No light", "description": "Since this morning."}`.

use axum::Router;
use axum::routing::post;
use callboard::Command;
use callboard::writer::fingerprint;
use callboard_http::{CommandRequest, CommandSide, Done, JsonBody, Problem};
use serde::{Deserialize, Serialize};

use super::AddTicket;
use crate::event::Tickets;
use crate::ticket::{Description, TicketId, Title};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(default)]
    id: Option<TicketId>,
    title: Title,
    #[serde(default)]
    description: Description,
}

pub(crate) fn routes(side: &CommandSide<Tickets>) -> Router {
    Router::new()
        .route("/tickets/tickets", post(add))
        .with_state(side.clone())
}

async fn add(request: CommandRequest<Tickets>, JsonBody(body): JsonBody<Body>) -> Result<Done, Problem> {
    let (request, ticket) = match body.id {
        Some(ticket) => (request, ticket),
        None => {
            // Taken before the id is made: a repeat under one idempotency key would get another id.
            let made = TicketId::try_from(request.new_id()).expect("a fresh UUID is not the nil one");
            (request.fingerprint(fingerprint(AddTicket::NAME, None, &body)), made)
        }
    };
    let Body { title, description, .. } = body;
    let command = AddTicket {
        ticket,
        title,
        description,
    };
    request.execute(command).await
}
