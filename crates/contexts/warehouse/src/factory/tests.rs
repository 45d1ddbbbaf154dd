use axum::body::Body;
use callboard::memory::MemoryLog;
use callboard::writer::{Writer, WriterConfig};
use callboard::{Command, Context};
use callboard_http::{CommandSide, Edge, HttpContext};
use tower::ServiceExt;

use super::{Factory, Request};
use crate::Warehouse;

const SEEDS: u64 = 200;

/// The command's JSON form is read back as the same one.
fn same<C: Command>(command: C) -> C {
    let text = serde_json::to_string(&command).expect("a command has a JSON form");
    let again: C = serde_json::from_str(&text).expect(&text);
    assert_eq!(serde_json::to_string(&again).expect("a JSON form"), text);
    again
}

#[tokio::test]
async fn every_command_that_is_made_reads_back_the_same_and_is_a_valid_request() {
    let (_, commands) = Writer::new(MemoryLog::new(), &Warehouse::router(), (), WriterConfig::default());
    let edge = Edge::new(["warehouse"]);
    let routes = edge.wrap(Warehouse::command_routes(&CommandSide::new(commands, edge.clone())));
    for seed in 0..SEEDS {
        let mut factory = Factory::new(seed);
        same(factory.notify_low_quantity());
        let requests = [
            Request::from(same(factory.increase_quantity())),
            Request::from(same(factory.ship_quantity())),
        ];
        for Request { path, body, command } in requests {
            let request = axum::http::Request::post(format!("{path}?validate_only=true"))
                .header("content-type", "application/json")
                .body(Body::from(body.to_string()));
            let answer = routes
                .clone()
                .oneshot(request.expect("a request"))
                .await
                .expect("an answer");
            assert_eq!(answer.status(), 204, "seed {seed}, {command}: {path} {body}");
        }
    }
}

#[test]
fn a_seed_makes_the_same_commands_again() {
    let shown = |seed| {
        let mut factory = Factory::new(seed);
        format!("{:?} {:?}", factory.increase_quantity(), factory.ship_quantity())
    };
    assert_eq!(shown(7), shown(7));
    assert_ne!(shown(7), shown(8));
}
