//! `callboard` without a command: the embedded topology.

use std::io::Write;

use callboard_kit::cli::Invocation;
use callboard_kit::{Auth, start_embedded};

/// Runs until a signal.
pub(crate) async fn run(invocation: &Invocation) -> anyhow::Result<()> {
    // The demo is told over the routes, by people who have no tokens.
    let told = matches!(invocation.config.auth, Auth::Development);
    let demo = told && !invocation.matches.get_flag("no-demo");
    let running = start_embedded(&invocation.config, demo).await?;
    let banner = banner(
        &running.http.to_string(),
        &running.ops.to_string(),
        running.head("warehouse"),
        demo,
    );
    std::io::stdout().write_all(banner.as_bytes())?;
    running.until_signal().await
}

fn banner(http: &str, ops: &str, head: u64, demo: bool) -> String {
    let next = head + 1;
    let data = if demo { "a little demo data" } else { "no data yet" };
    format!(
        "\
Callboard, embedded: commands, events, projections and queries in this one process.
The log is in memory, with {data}; it is gone when this ends (Ctrl-C).

  HTTP     http://{http}
  health   http://{ops}/readyz   metrics  http://{ops}/metrics

Put 50 on hand; sent twice, it is done once:
  curl -i http://{http}/warehouse/products/abc123/increase_quantity -H 'Content-Type: application/json' -H 'Idempotency-Key: first-steps' -d '{{\"quantity\": 50}}'
Read what you wrote: the query waits for the command's position:
  curl -i http://{http}/warehouse/products -H 'Callboard-Position: warehouse:{next}'
Watch the events as they come:
  curl -N http://{http}/logs/warehouse/events -H 'Accept: text/event-stream'

The real pair, on Postgres and RabbitMQ: cargo xtask up
"
    )
}
