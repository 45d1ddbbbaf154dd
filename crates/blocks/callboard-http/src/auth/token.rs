//! Authentication by bearer tokens: JSON Web Tokens that somebody whom we trust has signed.

mod key;

pub use key::{InvalidTokenKey, TOKEN_SECRET_MIN, TokenAlgorithm};

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, header};
use callboard::Actor;
use futures::future::BoxFuture;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, Validation, decode};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Authenticate, NO_ORGANISATION, Unauthenticated, is_reserved};
use crate::headers::is_visible;
use crate::problem::Problem;

/// Takes `Authorization: Bearer <JSON Web Token>`, and nothing else. The claims `sub` (who), `org`
/// (the organisation), `roles` (a list) and `exp` are required; `nbf` is kept, clocks may differ by
/// a minute.
///
/// A token that names an audience (`aud`) is refused unless [`BearerTokens::for_audience`] says that we
/// are of it, as RFC 7519 demands (4.1.3).
///
/// Cheap to clone; its `Debug` shows no key.
#[derive(Debug, Clone)]
pub struct BearerTokens(Arc<Verifier>);

#[derive(Debug, Clone)]
struct Verifier {
    key: DecodingKey,
    validation: Validation,
}

#[derive(Deserialize)]
struct Claims {
    sub: Arc<str>,
    org: Arc<str>,
    roles: Vec<Arc<str>>,
    /// Text, where there is any: what the library would take for several issuers names none.
    #[serde(rename = "iss")]
    _issuer: Option<Arc<str>>,
    #[serde(rename = "aud")]
    audience: Option<IgnoredAny>,
}

impl BearerTokens {
    /// Verifies tokens with this key.
    ///
    /// # Errors
    /// [`InvalidTokenKey`] when it is no key for the algorithm.
    pub fn new(algorithm: TokenAlgorithm, key: &str) -> Result<Self, InvalidTokenKey> {
        let (name, key) = key::read(algorithm, key).ok_or(InvalidTokenKey(algorithm))?;
        let mut validation = Validation::new(name);
        validation.validate_nbf = true;
        Ok(Self(Arc::new(Verifier { key, validation })))
    }

    /// Takes only tokens that name this audience, alone or among others.
    #[must_use]
    pub fn for_audience(self, audience: &str) -> Self {
        self.requiring("aud", |validation| validation.set_audience(&[audience]))
    }

    /// Takes only tokens of this issuer (`iss`). Without, whoever has the key may issue them.
    #[must_use]
    pub fn of_issuer(self, issuer: &str) -> Self {
        self.requiring("iss", |validation| validation.set_issuer(&[issuer]))
    }

    fn requiring(self, claim: &str, set: impl FnOnce(&mut Validation)) -> Self {
        let mut verifier = Arc::unwrap_or_clone(self.0);
        set(&mut verifier.validation);
        verifier.validation.required_spec_claims.insert(claim.to_owned());
        Self(Arc::new(verifier))
    }

    fn actor(&self, headers: &HeaderMap) -> Result<Actor, Unauthenticated> {
        let token = bearer(headers)?;
        let decoded = decode::<Claims>(token, &self.0.key, &self.0.validation);
        let no_audience = self.0.validation.aud.is_none();
        let decoded = decoded.map_err(|error| refused(&reason(error.kind(), no_audience)))?;
        if decoded.header.crit.is_some() {
            return Err(refused("it asks for extensions that are not known here"));
        }
        let Claims {
            sub,
            org,
            roles,
            audience,
            ..
        } = decoded.claims;
        // The library lets one of a strange type pass.
        if no_audience && audience.is_some() {
            return Err(refused(FOR_AN_AUDIENCE));
        }
        if !is_visible(&sub) || is_reserved(&sub) {
            return Err(refused(
                "its claim sub must be 1 to 255 visible characters, neither pm:… nor cycle",
            ));
        }
        if !is_visible(&org) || &*org == NO_ORGANISATION {
            return Err(refused("its claim org must be 1 to 255 visible characters, not -"));
        }
        if !roles.iter().all(|role| is_visible(role)) {
            return Err(refused("each of its roles must be 1 to 255 visible characters"));
        }
        Ok(Actor {
            id: Some(sub),
            organisation: Some(org),
            roles,
        })
    }
}

impl Authenticate for BearerTokens {
    fn authenticate<'a>(&'a self, headers: &'a HeaderMap) -> BoxFuture<'a, Result<Actor, Problem>> {
        Box::pin(std::future::ready(self.actor(headers).map_err(Problem::from)))
    }
}

/// The token of a request.
fn bearer(headers: &HeaderMap) -> Result<&str, Unauthenticated> {
    let missing = || Unauthenticated {
        reason: "A bearer token is needed: Authorization: Bearer <token>.".into(),
        challenge: HeaderValue::from_static("Bearer"),
    };
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(missing());
    };
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .ok_or_else(missing)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(token.trim_matches(' '))
    } else {
        Err(missing())
    }
}

fn refused(reason: &str) -> Unauthenticated {
    Unauthenticated {
        reason: format!("The bearer token is not accepted: {reason}."),
        challenge: HeaderValue::from_static("Bearer error=\"invalid_token\""),
    }
}

const FOR_AN_AUDIENCE: &str = "it is meant for an audience (aud), and none is set here";

/// Why a token isn't accepted. What it says of itself is never repeated: it would be in the logs.
fn reason(error: &ErrorKind, no_audience: bool) -> String {
    match error {
        ErrorKind::InvalidAudience if no_audience => FOR_AN_AUDIENCE.into(),
        ErrorKind::ExpiredSignature => "it has expired".into(),
        ErrorKind::ImmatureSignature => "it is not valid yet".into(),
        ErrorKind::InvalidSignature => "its signature is wrong".into(),
        ErrorKind::InvalidAlgorithm => "it is signed with another algorithm than the one that is allowed".into(),
        ErrorKind::InvalidAudience => "it is meant for another audience".into(),
        ErrorKind::InvalidIssuer => "it is of another issuer".into(),
        ErrorKind::MissingRequiredClaim(claim) => format!("it lacks the claim {claim}, or it has the wrong type"),
        ErrorKind::InvalidClaimFormat(claim) => format!("its claim {claim} has the wrong type"),
        ErrorKind::Json(_) => "its claims sub, org and iss must be text, and roles a list of texts".into(),
        _ => "it can't be read".into(),
    }
}
