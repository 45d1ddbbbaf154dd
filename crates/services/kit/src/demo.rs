//! A little demo data, put in over the very routes that clients use.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use callboard_http::{CALLBOARD_ACTOR, CALLBOARD_ROLES};
use serde_json::Value;
use tokio::time::Instant;
use tower::ServiceExt;

/// How long the demo's process managers may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// One command of a story: who sends it with which roles, where to, and its body.
struct Step(&'static str, &'static str, &'static str, &'static str);

/// Commands that tell the warehouse's story: one product runs low.
const WAREHOUSE: &[Step] = &[
    Step(
        "",
        "",
        "/warehouse/products/anvil/increase_quantity",
        r#"{"quantity":12}"#,
    ),
    Step(
        "",
        "",
        "/warehouse/products/rocket-skates/increase_quantity",
        r#"{"quantity":40}"#,
    ),
    Step(
        "",
        "",
        "/warehouse/products/rocket-skates/ship_quantity",
        r#"{"quantity":37}"#,
    ),
    Step(
        "",
        "",
        "/warehouse/products/giant-magnet/increase_quantity",
        r#"{"quantity":7}"#,
    ),
];

/// Commands that tell the tickets' story: one is done with, one is being done, one waits.
const TICKETS: &[Step] = &[
    Step("ann", "", "/tickets/tickets", SKATES),
    Step("bob", "", "/tickets/tickets", ANVILS),
    Step("ann", "", "/tickets/tickets", r#"{"title":"Paint the water tower"}"#),
    Step(
        "lea",
        "agent",
        "/tickets/tickets/5ca7e500-0000-4000-8000-000000000001/assign_ticket",
        r#"{"assignee":"bob"}"#,
    ),
    Step(
        "lea",
        "agent",
        "/tickets/tickets/5ca7e500-0000-4000-8000-000000000002/assign_ticket",
        r#"{"assignee":"ann"}"#,
    ),
    Step(
        "bob",
        "",
        "/tickets/tickets/5ca7e500-0000-4000-8000-000000000001/close_ticket",
        r#"{"resolution":"Tightened."}"#,
    ),
];
const SKATES: &str = r#"{"id":"5ca7e500-0000-4000-8000-000000000001","title":"The rocket skates pull to the left"}"#;
const ANVILS: &str =
    r#"{"id":"5ca7e500-0000-4000-8000-000000000002","title":"Order more anvils","description":"12 are left."}"#;

/// Fills an embedded process, and waits until it has come to rest.
///
/// # Errors
/// When a command is not accepted.
pub async fn fill(routes: &Router) -> anyhow::Result<()> {
    for Step(actor, roles, path, body) in WAREHOUSE.iter().chain(TICKETS) {
        let mut request = Request::post(*path).header(header::CONTENT_TYPE, "application/json");
        for (name, value) in [(CALLBOARD_ACTOR, actor), (CALLBOARD_ROLES, roles)] {
            if !value.is_empty() {
                request = request.header(name, *value);
            }
        }
        let (status, answer) = send(routes, request.body(Body::from(*body))?).await?;
        ensure!(
            status == StatusCode::OK,
            "the demo's {path} was answered {status}: {answer}"
        );
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let request = Request::get("/warehouse/low_stock").body(Body::empty())?;
        let (_, rows) = send(routes, request).await?;
        if rows[0]["last_notified_at"].is_string() {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "nobody was told of the demo's low stock: {rows}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn send(routes: &Router, request: Request<Body>) -> anyhow::Result<(StatusCode, Value)> {
    let answer = routes.clone().oneshot(request).await?;
    let status = answer.status();
    let body = to_bytes(answer.into_body(), usize::MAX).await?;
    Ok((
        status,
        serde_json::from_slice(&body).context("an answer that is no JSON")?,
    ))
}
