use std::collections::BTreeSet;

use axum::Router;
use axum::body::Body;
use callboard::memory::MemoryLog;
use callboard::writer::{Writer, WriterConfig};
use callboard::{Command, Context};
use callboard_http::{CommandSide, Edge, HttpContext};
use tower::ServiceExt;

use super::{Factory, Request};
use crate::Finance;
use crate::cycle_system::CycleSystem;
use crate::incur_late_fee::IncurLateFee;

const SEEDS: u64 = 200;

/// A command that reads back as what it was written from.
fn same<C: Command>(command: C) -> C {
    let text = serde_json::to_string(&command).expect("a command has a JSON form");
    let read: C = serde_json::from_str(&text).expect(&text);
    assert_eq!(serde_json::to_string(&read).expect("JSON"), text);
    read
}

/// What no client sends.
fn own(factory: &mut Factory) -> (CycleSystem, [IncurLateFee; 2]) {
    let (company, asset) = (factory.id(), factory.id());
    let fees = [Some(asset), None].map(|asset| {
        let product = factory.issue_product(&[company], asset, None);
        same(factory.incur_late_fee(&product))
    });
    (same(factory.cycle_system()), fees)
}

/// Routes whose commands nobody executes.
fn routes() -> Router {
    let (_, commands) = Writer::new(MemoryLog::new(), &Finance::router(), (), WriterConfig::default());
    let edge = Edge::new(["finance"]);
    edge.wrap(Finance::command_routes(&CommandSide::new(commands, edge.clone())))
}

#[tokio::test]
async fn every_command_that_is_made_reads_back_the_same_and_is_a_valid_request() {
    let routes = routes();
    for seed in 0..SEEDS {
        let mut factory = Factory::new(seed);
        for Request { path, body, command } in factory.requests() {
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
        own(&mut factory);
    }
}

#[test]
fn a_seed_makes_the_same_commands_again_and_every_command_is_made() {
    let shown = |seed| {
        let mut factory = Factory::new(seed);
        format!("{:?} {:?}", factory.requests(), own(&mut factory))
    };
    assert_eq!(shown(7), shown(7));
    assert_ne!(shown(7), shown(8));
    let requests = Factory::new(1).requests();
    let mut made: BTreeSet<_> = requests.iter().map(|request| request.command).collect();
    made.extend([CycleSystem::NAME, IncurLateFee::NAME]);
    let router = Finance::router();
    assert_eq!(made, router.commands().map(|(name, _)| name).collect());
}

#[test]
fn a_late_fee_that_is_made_is_late_and_of_an_asset_if_the_product_has_one() {
    let mut factory = Factory::new(3);
    let (company, asset) = (factory.id(), factory.id());
    for asset in [Some(asset), None] {
        let product = factory.issue_product(&[company], asset, None);
        let fee = factory.incur_late_fee(&product);
        assert!(fee.date > product.terms.due_date);
        assert_eq!(fee.asset.map(|then| then.sender), asset.map(|_| company));
    }
}
