//! The edge: what every route of a listener shares.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRef, Request};
use axum::http::{HeaderMap, StatusCode};
use callboard::Actor;
use tokio_util::sync::CancellationToken;

use crate::auth::{Anonymous, Authenticate};
use crate::observe::ObserveLayer;
use crate::problem::Problem;

/// Bounds of what a client may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The largest body of a request, in bytes.
    pub body_bytes: usize,
    /// How long a request's body may take.
    pub body_within: Duration,
    /// How long a request's head may take, also counted while a kept connection is idle.
    pub head_within: Duration,
    /// How long a client may take none of an answer; then its connection is closed.
    pub write_within: Duration,
    /// The most connections at once; more wait in the kernel's queue.
    pub connections: usize,
    /// How long requests in flight may take once the shutdown has begun.
    pub drain_within: Duration,
    /// How often an event feed looks at the log by itself.
    pub feed_look_every: Duration,
    /// How often a silent event feed sends a comment.
    pub feed_comment_every: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 64 * 1024,
            body_within: Duration::from_secs(10),
            head_within: Duration::from_secs(10),
            write_within: Duration::from_secs(30),
            connections: 10_000,
            drain_within: Duration::from_secs(8),
            feed_look_every: Duration::from_secs(1),
            feed_comment_every: Duration::from_secs(15),
        }
    }
}

/// What every route shares: authentication, limits, the known logs and the drain. Cheap to clone.
#[derive(Clone)]
pub struct Edge {
    authenticate: Arc<dyn Authenticate>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) logs: Arc<[&'static str]>,
    pub(crate) draining: CancellationToken,
}

impl Edge {
    /// An edge that knows these logs (a position of any other is refused), lets everybody in as
    /// the anonymous actor, and has the default limits.
    pub fn new(logs: impl IntoIterator<Item = &'static str>) -> Self {
        Self {
            authenticate: Arc::new(Anonymous),
            limits: Arc::default(),
            logs: logs.into_iter().collect(),
            draining: CancellationToken::new(),
        }
    }

    /// Authenticates with this.
    #[must_use]
    pub fn authenticate_with(mut self, authenticate: impl Authenticate) -> Self {
        self.authenticate = Arc::new(authenticate);
        self
    }

    /// Uses these limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Arc::new(limits);
        self
    }

    /// Ends waiting queries and live feeds when this is cancelled.
    #[must_use]
    pub fn drain_on(mut self, draining: CancellationToken) -> Self {
        self.draining = draining;
        self
    }

    /// The whole of a listener's routes: with problems for unknown routes, wrong methods and
    /// panics, a correlation id, a span and metrics for each request. Call it once, last.
    pub fn wrap(&self, routes: Router) -> Router {
        routes
            .fallback(no_route)
            .method_not_allowed_fallback(wrong_method)
            .layer(ObserveLayer::default())
    }

    pub(crate) async fn actor(&self, headers: &HeaderMap) -> Result<Actor, Problem> {
        self.authenticate.authenticate(headers).await
    }
}

impl FromRef<Edge> for Limits {
    fn from_ref(edge: &Edge) -> Self {
        Self::clone(&edge.limits)
    }
}

async fn no_route(request: Request) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "no-such-route",
        format!("There is nothing at {}.", request.uri().path()),
    )
}

async fn wrong_method(request: Request) -> Problem {
    // axum adds `Allow` to this answer.
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        format!("{} is not allowed at {}.", request.method(), request.uri().path()),
    )
}
