//! What happens around every request: a correlation id, a span, metrics, and panics caught.

use std::any::Any;
use std::collections::HashMap;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use callboard::panic_text;
use futures::FutureExt;
use futures::future::BoxFuture;
use metrics::{Counter, Histogram};
use tower::{Layer, Service};
use tracing::{Instrument, Span};
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

/// The metrics of a listener's requests, by route. Each is looked up by its labels once: that costs more
/// than all else that is observed of a request.
#[derive(Default)]
pub(crate) struct Requests(RwLock<HashMap<Arc<str>, Vec<Answers>>>);

/// What is counted of one kind of answers of a route.
struct Answers {
    method: &'static str,
    status: u16,
    count: Counter,
    seconds: Histogram,
}

impl Answers {
    fn new(method: &'static str, path: &str, status: u16) -> Self {
        let labels = [
            ("method", method.to_owned()),
            ("path", path.to_owned()),
            ("status", status.to_string()),
        ];
        Self {
            method,
            status,
            count: metrics::counter!("callboard_http_requests_total", &labels),
            seconds: metrics::histogram!("callboard_http_request_seconds", &labels[..2]),
        }
    }

    fn take(&self, took: Duration) {
        self.count.increment(1);
        self.seconds.record(took.as_secs_f64());
    }
}

impl Requests {
    fn count(&self, method: &'static str, path: &str, status: u16, took: Duration) {
        let is_one = |answers: &&Answers| answers.method == method && answers.status == status;
        {
            let routes = self.0.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(answers) = routes.get(path).and_then(|kinds| kinds.iter().find(is_one)) {
                return answers.take(took);
            }
        }
        let answers = Answers::new(method, path, status);
        answers.take(took);
        let mut routes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let kinds = routes.entry(path.into()).or_default();
        if !kinds.iter().any(|known| is_one(&known)) {
            kinds.push(answers);
        }
    }
}

/// Observes whatever is beneath it. A service of its own instead of a function as middleware: that would clone and box
/// what is beneath it for each request.
#[derive(Clone, Default)]
pub(crate) struct ObserveLayer(Arc<Requests>);

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, routes: S) -> Observe<S> {
        let requests = self.0.clone();
        Observe { requests, routes }
    }
}

#[derive(Clone)]
pub(crate) struct Observe<S> {
    requests: Arc<Requests>,
    routes: S,
}

impl<S> Service<Request> for Observe<S>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.routes.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let begun = Instant::now();
        let correlation_id = CorrelationId::of(request.headers());
        let method = method_label(request.method());
        // The pattern, never the path itself: that may name a person, and has no bound as a label.
        let route = request.extensions().get::<MatchedPath>().cloned();
        let path = route.as_ref().map_or("-", MatchedPath::as_str);
        let span = tracing::info_span!("http_request", method, path, correlation_id = &*correlation_id.0);
        request.extensions_mut().insert(correlation_id.clone());
        let answer = span.in_scope(|| self.routes.call(request));
        let requests = self.requests.clone();
        Box::pin(async move {
            // Nothing half-changed outlives a panic: a handler owns its request.
            let caught = AssertUnwindSafe(answer).catch_unwind().instrument(span.clone());
            let mut response = caught.await.map_or_else(|panic| panicked(&*panic, &span), into_ok);
            let echo = HeaderValue::try_from(&*correlation_id.0).expect("a correlation id is visible characters");
            response.headers_mut().insert(X_CORRELATION_ID, echo);
            let (status, took) = (response.status().as_u16(), begun.elapsed());
            span.in_scope(|| tracing::debug!(status, took_us = took.as_micros() as u64, "answered"));
            let path = route.as_ref().map_or("-", MatchedPath::as_str);
            requests.count(method, path, status, took);
            Ok(response)
        })
    }
}

fn into_ok(Ok(response): Result<Response, Infallible>) -> Response {
    response
}

fn panicked(panic: &(dyn Any + Send), span: &Span) -> Response {
    span.in_scope(|| tracing::error!(panic = panic_text(panic), "a handler panicked"));
    Problem::fault().into_response()
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
