//! Authentication: who sends a request. It comes before every other check.

mod development;
mod token;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use callboard::{Actor, cycle};
use futures::future::BoxFuture;

use crate::problem::Problem;

pub use development::DevelopmentHeaders;
pub use token::{BearerTokens, InvalidTokenKey, TOKEN_SECRET_MIN, TokenAlgorithm};

/// What the ids of process managers begin with in an event's metadata: no client has such a one.
const PROCESS_MANAGER: &str = "pm:";

/// Whether this is how the services themselves stand in an event's metadata.
fn is_reserved(id: &str) -> bool {
    id.starts_with(PROCESS_MANAGER) || id == cycle::ACTOR
}

/// Stands for "no organisation" in the scope of idempotency keys: no organisation has this name.
const NO_ORGANISATION: &str = "-";

/// Turns a request's headers into the actor that sends it.
pub trait Authenticate: Send + Sync + 'static {
    /// Who sends a request with these headers. Dropping the future must be safe.
    ///
    /// # Errors
    /// The problem that answers it: [`Unauthenticated`], or what is wrong with a header.
    fn authenticate<'a>(&'a self, headers: &'a HeaderMap) -> BoxFuture<'a, Result<Actor, Problem>>;
}

/// No or bad credentials, with the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unauthenticated {
    /// Why, for people; never the credentials.
    pub reason: String,
    /// The `WWW-Authenticate` challenge, e.g. `Bearer`.
    pub challenge: HeaderValue,
}

impl From<Unauthenticated> for Problem {
    fn from(error: Unauthenticated) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", error.reason)
            .header(header::WWW_AUTHENTICATE, error.challenge)
    }
}

/// Everybody is the anonymous actor.
#[derive(Debug, Clone, Copy, Default)]
pub struct Anonymous;

impl Authenticate for Anonymous {
    fn authenticate<'a>(&'a self, _: &'a HeaderMap) -> BoxFuture<'a, Result<Actor, Problem>> {
        Box::pin(std::future::ready(Ok(Actor::default())))
    }
}
