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

/// Commands that tell finance's story: a member funds a harvest, half of it from its asset.
const FINANCE: &[(&str, &str)] = &[
    (
        "/finance/companies",
        r#"{"id":"0196f0c0-0000-7000-8000-000000000001","name":"Norrland Timber"}"#,
    ),
    (
        "/finance/companies",
        r#"{"id":"0196f0c0-0000-7000-8000-000000000002","name":"Delta Grain"}"#,
    ),
    (
        "/finance/companies/0196f0c0-0000-7000-8000-000000000001/deposit_to_company",
        r#"{"amount":"2500.00"}"#,
    ),
    (
        "/finance/assets",
        r#"{"id":"0196f0c0-0000-7000-8000-000000000003","sender":"0196f0c0-0000-7000-8000-000000000001","receiver":"0196f0c0-0000-7000-8000-000000000002","value":"12000.00","opening_balance":"600.00"}"#,
    ),
    (
        "/finance/accounts",
        r#"{"id":"0196f0c0-0000-7000-8000-000000000004","company":"0196f0c0-0000-7000-8000-000000000002"}"#,
    ),
    (
        "/finance/deals",
        r#"{"id":"0196f0c0-0000-7000-8000-000000000005","product_line":4,"companies":["0196f0c0-0000-7000-8000-000000000001"],"rating_tier":"A"}"#,
    ),
    (
        "/finance/deals/0196f0c0-0000-7000-8000-000000000005/activate_deal",
        "{}",
    ),
    (
        "/finance/grants",
        r#"{"id":"0196f0c0-0000-7000-8000-000000000006","sources":[{"asset":"0196f0c0-0000-7000-8000-000000000003"},{"company":"0196f0c0-0000-7000-8000-000000000001"}],"destinations":[{"company":"0196f0c0-0000-7000-8000-000000000002","account":"0196f0c0-0000-7000-8000-000000000004","amount":"1200.00"}]}"#,
    ),
];

/// Fills an embedded process, and waits until it has come to rest.
///
/// # Errors
/// When a command is not accepted.
pub async fn fill(routes: &Router) -> anyhow::Result<()> {
    for (path, quantity) in STORY {
        post(routes, path, json!({ "quantity": quantity }).to_string()).await?;
    }
    for (path, body) in FINANCE {
        post(routes, path, (*body).to_owned()).await?;
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

async fn post(routes: &Router, path: &str, body: String) -> anyhow::Result<()> {
    let request = Request::post(path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body))?;
    let (status, answer) = send(routes, request).await?;
    ensure!(
        status == StatusCode::OK,
        "the demo's {path} was answered {status}: {answer}"
    );
    Ok(())
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
