//! Authentication for development: everybody is who they say they are.

use axum::http::HeaderMap;
use callboard::Actor;
use futures::future::BoxFuture;

use super::{Authenticate, NO_ORGANISATION, is_reserved};
use crate::headers::{self, CALLBOARD_ACTOR, CALLBOARD_ORGANISATION, invalid};
use crate::problem::Problem;

/// Takes a request's word for who sends it: `Callboard-Actor`, `Callboard-Organisation` and
/// `Callboard-Roles`, each of which may be missing.
#[derive(Debug, Clone, Copy, Default)]
pub struct DevelopmentHeaders;

impl DevelopmentHeaders {
    fn actor(headers: &HeaderMap) -> Result<Actor, Problem> {
        let id = headers::visible(headers, &CALLBOARD_ACTOR)?;
        if id.as_ref().is_some_and(|id| is_reserved(id)) {
            return Err(invalid(
                &CALLBOARD_ACTOR,
                "pm:… are process managers, and cycle is the daily cycle",
            ));
        }
        let organisation = headers::visible(headers, &CALLBOARD_ORGANISATION)?;
        if organisation.as_deref() == Some(NO_ORGANISATION) {
            return Err(invalid(&CALLBOARD_ORGANISATION, "no organisation is named -"));
        }
        Ok(Actor {
            id,
            organisation,
            roles: headers::roles(headers)?,
        })
    }
}

impl Authenticate for DevelopmentHeaders {
    fn authenticate<'a>(&'a self, headers: &'a HeaderMap) -> BoxFuture<'a, Result<Actor, Problem>> {
        Box::pin(std::future::ready(Self::actor(headers)))
    }
}
