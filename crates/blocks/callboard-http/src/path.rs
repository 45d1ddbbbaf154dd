//! Path parameters, each a type of its own.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;

use crate::problem::Problem;

/// The route's one path parameter, parsed; what its `FromStr` says becomes a 400 that names it.
#[derive(Debug, Clone)]
pub struct PathParam<T>(pub T);

impl<S, T> FromRequestParts<S> for PathParam<T>
where
    S: Send + Sync,
    T: FromStr<Err: Display>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let parameters = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(rejected)?;
        let (name, value) = parameters.iter().next().expect("the route has a path parameter");
        value
            .parse()
            .map(Self)
            .map_err(|rule| Problem::invalid("invalid-path", format!("/{name}"), rule.to_string()))
    }
}

pub(crate) fn rejected(rejection: RawPathParamsRejection) -> Problem {
    match rejection {
        RawPathParamsRejection::InvalidUtf8InPathParam(_) => {
            Problem::invalid("invalid-path", "", "the path is not percent-encoded UTF-8")
        }
        fault => {
            tracing::error!(error = %fault, "a route without path parameters asks for one");
            Problem::fault()
        }
    }
}
