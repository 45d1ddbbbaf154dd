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

/// Commands that tell finance's story: a member funds a harvest, half of it from its asset, and is late with
/// what it owes for it.
const FINANCE: &[Step] = &[
    Step(
        "",
        "",
        "/finance/companies",
        r#"{"id":"0196f0c0-0000-7000-8000-000000000001","name":"Norrland Timber"}"#,
    ),
    Step(
        "",
        "",
        "/finance/companies",
        r#"{"id":"0196f0c0-0000-7000-8000-000000000002","name":"Delta Grain"}"#,
    ),
    Step(
        "",
        "",
        "/finance/companies/0196f0c0-0000-7000-8000-000000000001/deposit_to_company",
        r#"{"amount":"2500.00"}"#,
    ),
    Step(
        "",
        "",
        "/finance/assets",
        r#"{"id":"0196f0c0-0000-7000-8000-000000000003","sender":"0196f0c0-0000-7000-8000-000000000001","receiver":"0196f0c0-0000-7000-8000-000000000002","value":"12000.00","opening_balance":"600.00"}"#,
    ),
    Step(
        "",
        "",
        "/finance/accounts",
        r#"{"id":"0196f0c0-0000-7000-8000-000000000004","company":"0196f0c0-0000-7000-8000-000000000002"}"#,
    ),
    Step(
        "",
        "",
        "/finance/deals",
        r#"{"id":"0196f0c0-0000-7000-8000-000000000005","product_line":4,"companies":["0196f0c0-0000-7000-8000-000000000001"],"rating_tier":"A"}"#,
    ),
    Step(
        "",
        "",
        "/finance/deals/0196f0c0-0000-7000-8000-000000000005/activate_deal",
        "{}",
    ),
    Step(
        "",
        "",
        "/finance/grants",
        r#"{"id":"0196f0c0-0000-7000-8000-000000000006","sources":[{"asset":"0196f0c0-0000-7000-8000-000000000003"},{"company":"0196f0c0-0000-7000-8000-000000000001"}],"destinations":[{"company":"0196f0c0-0000-7000-8000-000000000002","account":"0196f0c0-0000-7000-8000-000000000004","amount":"1200.00"}]}"#,
    ),
    Step(
        "",
        "",
        "/finance/products",
        r#"{"id":"0196f0c0-0000-7000-8000-000000000007","amount":"1000.00","due_date":"2025-06-30","daily_late_fee_rate":"0.0005","payer_role":"seller","companies":[{"company":"0196f0c0-0000-7000-8000-000000000001","role":"seller"},{"company":"0196f0c0-0000-7000-8000-000000000002","role":"buyer"}],"asset":"0196f0c0-0000-7000-8000-000000000003"}"#,
    ),
];

/// Whether a row has what is waited for.
type HasCome = fn(&Value) -> bool;

/// What process managers make of the stories: a list, and what its first row has when they have come to it.
const COME_TO: &[(&str, HasCome)] = &[
    ("/warehouse/low_stock", |row| row["last_notified_at"].is_string()),
    ("/finance/products", |row| row["outstanding"] == "1006.00"),
];

/// Fills an embedded process.
///
/// # Errors
/// When a command is not accepted.
pub async fn fill(routes: &Router) -> anyhow::Result<()> {
    for Step(actor, roles, path, body) in WAREHOUSE.iter().chain(TICKETS).chain(FINANCE) {
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
    Ok(())
}

/// Waits until an embedded process that was filled, and in which today's date has begun, has come to rest.
///
/// # Errors
/// When it doesn't.
pub async fn rest(routes: &Router) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    for (list, so) in COME_TO {
        loop {
            let (_, rows) = send(routes, Request::get(*list).body(Body::empty())?).await?;
            if so(&rows[0]) {
                break;
            }
            ensure!(
                Instant::now() < deadline,
                "the demo's process managers are late: {list} shows {rows}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
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
