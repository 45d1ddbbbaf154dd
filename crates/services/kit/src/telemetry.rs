//! Logs to stderr, and the metrics recorder.

use std::io::IsTerminal;

use callboard_rabbitmq::LOG_DIRECTIVES;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::Config;

/// What Postgres remarks on in passing, such as a schema that exists already.
const QUIET: &str = "sqlx::postgres::notice=warn";

/// Starts logging, once in a process. JSON lines carry every span around an event with its fields,
/// so that a correlation id is found from the request to the projection.
///
/// # Errors
/// When this process logs already.
pub fn init(config: &Config) -> anyhow::Result<()> {
    // First, so that the filter may say otherwise.
    let filter = format!("{LOG_DIRECTIVES},{QUIET},{}", config.log_filter);
    let registry = tracing_subscriber::registry().with(EnvFilter::new(filter));
    let terminal = std::io::stderr().is_terminal();
    let json = config.log_json.unwrap_or(!terminal);
    let format = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(terminal);
    if json {
        registry.with(format.json().flatten_event(true)).try_init()?;
    } else {
        registry.with(format.compact().with_target(false)).try_init()?;
    }
    Ok(())
}

/// The recorder behind `/metrics`: one in a process, shared by whatever runs in it.
pub(crate) fn metrics() -> PrometheusHandle {
    static HANDLE: std::sync::OnceLock<PrometheusHandle> = std::sync::OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new().build_recorder();
            let handle = recorder.handle();
            // Somebody's recorder may be installed already, where a test embeds a service.
            if metrics::set_global_recorder(recorder).is_err() {
                tracing::warn!("another metrics recorder is installed: /metrics stays empty");
            }
            handle
        })
        .clone()
}
