//! The ops listener: is it alive, is it ready, how is it doing.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::listing::{parameters, unknown};
use crate::problem::Problem;

type Check = Box<dyn Fn() -> Result<(), String> + Send + Sync>;
type Details = Box<dyn Fn() -> Vec<String> + Send + Sync>;

/// Whether this process should get requests. A check looks at what is known already and never
/// asks a dependency, so that health answers while a pool is exhausted.
pub struct Readiness {
    draining: CancellationToken,
    checks: Vec<(String, Check)>,
    details: Vec<(String, Details)>,
}

impl Readiness {
    /// Ready until `draining` is cancelled.
    pub fn new(draining: CancellationToken) -> Self {
        Self {
            draining,
            checks: Vec::new(),
            details: Vec::new(),
        }
    }

    /// Ready only while `check` has no reason against it.
    #[must_use]
    pub fn check(
        mut self,
        name: impl Into<String>,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.checks.push((name.into(), Box::new(check)));
        self
    }

    /// Shows more about a check to whoever asks for all: a line each of how its parts are doing.
    #[must_use]
    pub fn details(
        mut self,
        name: impl Into<String>,
        details: impl Fn() -> Vec<String> + Send + Sync + 'static,
    ) -> Self {
        self.details.push((name.into(), Box::new(details)));
        self
    }

    fn listed(&self, name: &str, outcome: &Result<(), String>) -> Value {
        let mut check = json!({ "name": name, "ok": outcome.is_ok() });
        if let Err(reason) = outcome {
            check["reason"] = json!(reason);
        }
        let details = self.details.iter().find(|(known, _)| known == name);
        let details = details.map_or_else(Vec::new, |(_, details)| details());
        if !details.is_empty() {
            check["details"] = json!(details);
        }
        check
    }

    /// Every check with its outcome, the drain first.
    fn report(&self) -> Vec<(&str, Result<(), String>)> {
        let draining = if self.draining.is_cancelled() {
            Err("the service shuts down".into())
        } else {
            Ok(())
        };
        let checks = self.checks.iter().map(|(name, check)| (&**name, check()));
        std::iter::once(("draining", draining)).chain(checks).collect()
    }
}

/// `GET /livez`, `GET /readyz` (`?verbose` lists every check) and `GET /metrics`.
pub fn ops_routes(readiness: Readiness, metrics: PrometheusHandle) -> Router {
    let metrics = move || {
        let page = metrics.render();
        async move {
            (
                [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
                page,
            )
        }
    };
    Router::new()
        .route("/livez", get(|| async { Json(json!({ "status": "live" })) }))
        .route("/readyz", get(ready))
        .with_state(Arc::new(readiness))
        .route("/metrics", get(metrics))
}

async fn ready(State(readiness): State<Arc<Readiness>>, uri: Uri) -> Result<Response, Problem> {
    let parameters = parameters(&uri)?;
    if let Some((name, _)) = parameters.iter().find(|(name, _)| name != "verbose") {
        return Err(unknown(name));
    }
    let report = readiness.report();
    let listed = if parameters.is_empty() {
        Vec::new()
    } else {
        report
            .iter()
            .map(|(name, outcome)| readiness.listed(name, outcome))
            .collect()
    };
    let reasons: Vec<String> = report
        .iter()
        .filter_map(|(name, outcome)| outcome.as_ref().err().map(|reason| format!("{name}: {reason}")))
        .collect();
    if !reasons.is_empty() {
        return Err(Problem::unavailable("not-ready", reasons.join("; ")).checks(listed));
    }
    let mut body = json!({ "status": "ready" });
    if !listed.is_empty() {
        body["checks"] = listed.into();
    }
    Ok((StatusCode::OK, Json(body)).into_response())
}
