//! The routes of the tickets in process, over a log and views in memory.
#![allow(clippy::unwrap_used)]

mod actors;
mod requests;
mod views;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use callboard::log::LogReader;
use callboard::memory::{MemoryLog, MemoryViews};
use callboard::subscription::{Lock, Subscriber};
use callboard::writer::{Writer, WriterConfig};
use callboard::{Context, Position, Projection, Recorded};
use callboard_http::{CommandSide, DevelopmentHeaders, Edge, HttpContext, QuerySide};
use serde_json::{Value, json};
use tickets::Tickets;
use tickets::ticket_history::TicketHistory;
use tickets::ticket_list::TicketList;
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt;

const ID: &str = "0192d9a4-7b8e-7c3f-8d2a-5f6e7a8b9c0d";

/// Who sends a request: name, organisation and roles, each of which may be empty.
type Who = (&'static str, &'static str, &'static str);

const ANN: Who = ("ann", "acme", "");
const BOB: Who = ("bob", "acme", "agent");
const LEA: Who = ("lea", "acme", "lead");
const MAX: Who = ("max", "bolt", "agent,lead");
const NOBODY: Who = ("", "", "");

struct Service {
    log: MemoryLog,
    views: MemoryViews,
    routes: Router,
    _writer: DropGuard,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    /// It has this status and problem; answers its detail.
    #[track_caller]
    fn problem(&self, status: u16, name: &str) -> &str {
        let found = (self.status, self.body["type"].as_str().unwrap_or_default());
        assert_eq!(
            found,
            (status, &*format!("urn:callboard:problem:{name}")),
            "{}",
            self.body
        );
        self.body["detail"].as_str().unwrap()
    }

    /// It is a 400 that points here; answers the rule.
    #[track_caller]
    fn invalid(&self, name: &str, pointer: &str) -> &str {
        self.problem(400, name);
        assert_eq!(self.body["errors"][0]["pointer"], pointer, "{}", self.body);
        self.body["errors"][0]["detail"].as_str().unwrap()
    }

    fn next(&self) -> Option<String> {
        let link = self.headers.get("link")?.to_str().unwrap();
        Some(link.strip_prefix('<').unwrap().split('>').next().unwrap().to_owned())
    }
}

impl Service {
    fn new() -> Self {
        Self::on(MemoryLog::new())
    }

    fn on(log: MemoryLog) -> Self {
        let (views, stop) = (MemoryViews::new(), CancellationToken::new());
        let (writer, commands) = Writer::new(log.clone(), &Tickets::router(), (), WriterConfig::default());
        tokio::spawn(writer.run(stop.clone()));
        let edge = Edge::new(["tickets"]).authenticate_with(DevelopmentHeaders);
        let routes = Tickets::command_routes(&CommandSide::new(commands, edge.clone()))
            .merge(Tickets::query_routes(&QuerySide::new(&views, edge.clone())));
        Self {
            log,
            views,
            routes: edge.wrap(routes),
            _writer: stop.drop_guard(),
        }
    }

    async fn answer(&self, method: &str, uri: &str, who: Who, more: &[(&str, &str)], body: String) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header("content-type", "application/json");
        let actor = [
            ("callboard-actor", who.0),
            ("callboard-organisation", who.1),
            ("callboard-roles", who.2),
        ];
        for (name, value) in actor.iter().filter(|(_, value)| !value.is_empty()).chain(more) {
            request = request.header(*name, *value);
        }
        let response = self.routes.clone().oneshot(request.body(Body::from(body)).unwrap());
        let (head, body) = response.await.unwrap().into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }

    /// Posts a command about the ticket.
    async fn post(&self, verb: &str, who: Who, body: Value) -> Answer {
        let uri = format!("/tickets/tickets/{ID}/{verb}");
        self.answer("POST", &uri, who, &[], body.to_string()).await
    }

    /// Adds a ticket.
    async fn add(&self, who: Who, body: Value) -> Answer {
        self.answer("POST", "/tickets/tickets", who, &[], body.to_string())
            .await
    }

    /// Adds the ticket.
    async fn added(&self, who: Who) {
        let answer = self.add(who, json!({ "id": ID, "title": "No light" })).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// It is done, with an event.
    async fn done(&self, verb: &str, who: Who, body: Value) {
        let answer = self.post(verb, who, body).await;
        assert_eq!(answer.status, 200, "{verb}: {}", answer.body);
        assert_eq!(answer.body["events"].as_array().unwrap().len(), 1, "{verb}");
    }

    /// Answers from views that are at the head.
    async fn get(&self, uri: &str, who: Who) -> Answer {
        self.project::<TicketList>().await;
        self.project::<TicketHistory>().await;
        self.answer("GET", uri, who, &[], String::new()).await
    }

    async fn project<P: Projection<Log = Tickets>>(&self) {
        let mut view = self.views.projection::<P>();
        let from = view.checkpoint().await.unwrap().position;
        let events = self.log.read(from, usize::MAX).await.unwrap().events;
        let events: Vec<_> = events.iter().map(|event| event.decode().unwrap()).collect();
        view.apply(&events, Lock::Wait).await.unwrap();
    }

    async fn events(&self) -> Vec<Recorded> {
        self.log.read(Position::START, usize::MAX).await.unwrap().events
    }
}
