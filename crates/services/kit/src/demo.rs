//! A little demo data, put in over the very routes that clients use.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::ServiceExt;

/// How long the demo's process managers may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Commands that tell the warehouse's story: one product runs low.
const STORY: &[(&str, u64)] = &[
    ("/warehouse/products/anvil/increase_quantity", 12),
    ("/warehouse/products/rocket-skates/increase_quantity", 40),
    ("/warehouse/products/rocket-skates/ship_quantity", 37),
    ("/warehouse/products/giant-magnet/increase_quantity", 7),
];

/// Fills an embedded process, and waits until it has come to rest.
///
/// # Errors
/// When a command is not accepted.
pub async fn fill(routes: &Router) -> anyhow::Result<()> {
    for (path, quantity) in STORY {
        let body = json!({ "quantity": quantity }).to_string();
        let request = Request::post(*path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))?;
        let (status, answer) = send(routes, request).await?;
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
