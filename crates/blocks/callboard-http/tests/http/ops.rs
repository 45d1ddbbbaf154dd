use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::Body;
use callboard::{EventType, ListedCommand};
use callboard_http::{Edge, Readiness, ops_routes, route_list};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::toy::{Answer, answer, request};

async fn get(routes: &Router, uri: &str) -> Answer {
    answer(routes, request("GET", uri, &[], Body::empty())).await
}

fn ops(readiness: Readiness) -> Router {
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || metrics::counter!("toys_total").increment(3));
    Edge::new([]).wrap(ops_routes(readiness, recorder.handle()))
}

#[tokio::test]
async fn readiness_follows_each_check_and_names_the_reason() {
    let well = Arc::new(AtomicBool::new(true));
    let check = well.clone();
    let readiness = Readiness::new(CancellationToken::new())
        .check("postgres", || Ok(()))
        .check("rabbitmq", move || {
            if check.load(Ordering::SeqCst) {
                Ok(())
            } else {
                Err("it is away".into())
            }
        });
    let routes = ops(readiness);
    assert_eq!(get(&routes, "/readyz").await.json(), json!({ "status": "ready" }));
    well.store(false, Ordering::SeqCst);
    let problem = get(&routes, "/readyz").await.problem(503, "not-ready");
    assert_eq!(problem["detail"], "rabbitmq: it is away");
    assert_eq!(problem.get("checks"), None);
    assert_eq!(get(&routes, "/livez").await.json(), json!({ "status": "live" }));
    let problem = get(&routes, "/readyz?verbose").await.problem(503, "not-ready");
    assert_eq!(
        problem["checks"][2],
        json!({ "name": "rabbitmq", "ok": false, "reason": "it is away" })
    );
    well.store(true, Ordering::SeqCst);
    let checks = get(&routes, "/readyz?verbose").await.json()["checks"].clone();
    let names = ["draining", "postgres", "rabbitmq"].map(|name| json!({ "name": name, "ok": true }));
    assert_eq!(checks, json!(names));
    get(&routes, "/readyz?x").await.invalid("invalid-query", "/x");
}

#[tokio::test]
async fn who_asks_for_all_sees_the_parts_of_a_check_also_while_it_is_not_well() {
    let readiness = Readiness::new(CancellationToken::new())
        .check("subscribers", || Err("one is halted".into()))
        .details("subscribers", || vec!["one: halted".into(), "other: live".into()])
        .check("logs", || Ok(()))
        .details("logs", Vec::new);
    let routes = ops(readiness);
    let problem = get(&routes, "/readyz?verbose").await.problem(503, "not-ready");
    assert_eq!(problem["checks"][1]["details"], json!(["one: halted", "other: live"]));
    assert_eq!(problem["checks"][2], json!({ "name": "logs", "ok": true }));
}

#[tokio::test]
async fn a_drain_turns_readiness_red_at_once() {
    let draining = CancellationToken::new();
    let routes = ops(Readiness::new(draining.clone()));
    assert_eq!(get(&routes, "/readyz").await.status, 200);
    draining.cancel();
    get(&routes, "/readyz").await.problem(503, "not-ready");
    assert_eq!(get(&routes, "/livez").await.status, 200);
}

#[tokio::test]
async fn metrics_are_a_prometheus_page() {
    let answer = get(&ops(Readiness::new(CancellationToken::new())), "/metrics").await;
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert!(
        String::from_utf8_lossy(&answer.body).contains("toys_total 3"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn routes_are_json_and_a_table_for_browsers() {
    const EVENTS: &[EventType] = &[EventType::new("Counted", 2)];
    let listed = ListedCommand {
        command: "Count",
        log: "toy",
        aggregate: "Counter",
        stream: "counter-{name}<",
        events: EVENTS,
        refusals: &["too-much"],
    };
    let routes = Edge::new([]).wrap(route_list(vec![listed]));
    let expected = json!([{
        "command": "Count",
        "log": "toy",
        "aggregate": "Counter",
        "stream": "counter-{name}<",
        "events": [{ "type": "Counted", "schema_version": 2 }],
        "refusals": ["too-much"],
    }]);
    assert_eq!(get(&routes, "/routes").await.json(), expected);
    let accept = [("accept", "text/html,application/xhtml+xml;q=0.9")];
    let page = answer(&routes, request("GET", "/routes", &accept, Body::empty())).await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let text = String::from_utf8_lossy(&page.body);
    assert!(
        text.contains("<td>counter-{name}&lt;<td>Counted v2<td>too-much"),
        "{text}"
    );
    get(&routes, "/routes?x").await.invalid("invalid-query", "/x");
}
