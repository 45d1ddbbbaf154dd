//! What happens around every request: a correlation id, a span, metrics, and panics caught.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use callboard::panic_text;
use futures::FutureExt;
use tracing::Instrument;
use uuid::Uuid;

use crate::headers::{self, X_CORRELATION_ID};
use crate::problem::Problem;

/// The same for everything that one request sets off.
#[derive(Clone)]
pub(crate) struct CorrelationId(pub(crate) Arc<str>);

impl CorrelationId {
    /// The client's own where it can be used, else a fresh one.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let given = headers::correlation_id(headers).ok().flatten();
        Self(given.unwrap_or_else(|| Uuid::now_v7().to_string().into()))
    }
}

pub(crate) async fn observe(mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let correlation_id = CorrelationId::of(request.headers());
    let method = method_label(request.method());
    // The pattern, never the path itself: that may name a person, and has no bound as a label.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let path: Arc<str> = route.as_ref().map_or("-", MatchedPath::as_str).into();
    let span = tracing::info_span!(
        "http_request",
        method,
        path = &*path,
        correlation_id = &*correlation_id.0
    );
    request.extensions_mut().insert(correlation_id.clone());
    let mut response = answer(request, next).instrument(span.clone()).await;
    let echo = HeaderValue::try_from(&*correlation_id.0).expect("a correlation id is visible characters");
    response.headers_mut().insert(X_CORRELATION_ID, echo);
    let (status, took) = (response.status().as_u16(), begun.elapsed());
    span.in_scope(|| tracing::debug!(status, took_us = took.as_micros() as u64, "answered"));
    let labels = [
        ("method", method.into()),
        ("path", path.to_string()),
        ("status", status.to_string()),
    ];
    metrics::counter!("callboard_http_requests_total", &labels).increment(1);
    metrics::histogram!("callboard_http_request_seconds", &labels[..2]).record(took.as_secs_f64());
    response
}

/// Nothing half-changed outlives a panic here: a handler owns its request.
async fn answer(request: Request, next: Next) -> Response {
    AssertUnwindSafe(next.run(request))
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| {
            tracing::error!(panic = panic_text(&*panic), "a handler panicked");
            Problem::fault().into_response()
        })
}

/// Methods are the client's to invent, labels aren't.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
