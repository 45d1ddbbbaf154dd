use std::collections::BTreeSet;
use std::fmt::Debug;

use axum::Router;
use axum::body::Body;
use callboard::memory::MemoryLog;
use callboard::writer::{Writer, WriterConfig};
use callboard::{Command, Context};
use callboard_http::{CommandSide, Edge, HttpContext};
use tower::ServiceExt;

use super::{Factory, Request};
use crate::Tickets;

const SEEDS: u64 = 200;

fn same<C: Command + PartialEq + Debug>(command: C) -> Request
where
    Request: From<C>,
{
    let text = serde_json::to_string(&command).expect("a command has a JSON form");
    assert_eq!(serde_json::from_str::<C>(&text).expect(&text), command);
    command.into()
}

/// One of each command.
fn requests(seed: u64) -> Vec<Request> {
    let mut factory = Factory::new(seed);
    let ticket = factory.ticket();
    vec![
        same(factory.add_ticket()),
        same(factory.retitle_ticket(ticket)),
        same(factory.assign_ticket(ticket)),
        same(factory.close_ticket(ticket)),
        same(factory.reopen_ticket(ticket)),
        factory.any_request(ticket),
    ]
}

/// Routes whose commands nobody executes.
fn routes() -> Router {
    let (_, commands) = Writer::new(MemoryLog::new(), &Tickets::router(), (), WriterConfig::default());
    let edge = Edge::new(["tickets"]);
    edge.wrap(Tickets::command_routes(&CommandSide::new(commands, edge.clone())))
}

#[tokio::test]
async fn every_command_that_is_made_reads_back_the_same_and_is_a_valid_request() {
    let routes = routes();
    for seed in 0..SEEDS {
        for Request { path, body, command } in requests(seed) {
            let request = axum::http::Request::post(format!("{path}?validate_only=true"))
                .header("content-type", "application/json")
                .body(Body::from(body.to_string()));
            let answer = routes
                .clone()
                .oneshot(request.expect("a request"))
                .await
                .expect("an answer");
            assert_eq!(answer.status(), 204, "seed {seed}, {command}: {body}");
        }
    }
}

#[test]
fn a_seed_makes_the_same_commands_again_and_every_command_is_made() {
    let shown = |seed| format!("{:?}", requests(seed));
    assert_eq!(shown(7), shown(7));
    assert_ne!(shown(7), shown(8));
    let made: BTreeSet<_> = requests(1).iter().map(|request| request.command).collect();
    let router = Tickets::router();
    assert_eq!(made, router.commands().map(|(name, _)| name).collect());
}
