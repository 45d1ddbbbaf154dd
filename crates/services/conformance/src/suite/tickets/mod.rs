//! The tickets: who they are, and how they are asked about.

pub(super) mod actors;
pub(super) mod board;
pub(super) mod requests;
pub(super) mod walk;

use reqwest::Method;
use serde_json::{Value, json};
use tickets::factory::Request;
use tickets::ticket::TicketId;

use crate::answer::Answer;
use crate::api::{Api, Ask, Who};

const LOG: &str = "tickets";
const LIST: &str = "/tickets/tickets";

const ANN: Who = who("ann", "acme", "");
const BOB: Who = who("bob", "acme", "agent");
const LEA: Who = who("lea", "acme", "lead");
const MAX: Who = who("max", "bolt", "agent,lead");
const NOBODY: Who = who("", "", "");

const fn who(name: &'static str, organisation: &'static str, roles: &'static str) -> Who {
    Who {
        name,
        organisation,
        roles,
    }
}

/// A command about a ticket.
fn command(api: &Api, who: &Who, ticket: impl std::fmt::Display, verb: &str, body: &Value) -> Ask {
    let path = format!("{LIST}/{ticket}/{verb}");
    api.command(Method::POST, &path).by(who).body(body.to_string())
}

/// A creation.
fn add(api: &Api, who: &Who, body: &Value) -> Ask {
    api.command(Method::POST, LIST).by(who).body(body.to_string())
}

/// A command as a factory makes it.
pub(super) fn made(api: &Api, who: &Who, request: impl Into<Request>) -> Ask {
    let Request { path, body, .. } = request.into();
    api.command(Method::POST, &path).by(who).body(body.to_string())
}

/// Adds a ticket with this title.
async fn added(api: &Api, who: &Who, ticket: TicketId, title: &str) -> Answer {
    let body = json!({ "id": ticket, "title": title });
    add(api, who, &body).send().await.done_in(LOG)
}

/// A ticket with its history, from this position on.
fn one(api: &Api, who: &Who, ticket: TicketId, position: u64) -> Ask {
    api.get(&format!("{LIST}/{ticket}")).by(who).at_of(LOG, position)
}

/// The log's last position.
async fn head(api: &Api) -> u64 {
    api.events_of(LOG, 0).await.len() as u64
}
