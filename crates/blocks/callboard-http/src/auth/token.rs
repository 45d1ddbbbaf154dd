//! Authentication by bearer tokens: JSON Web Tokens that somebody whom we trust has signed.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, header};
use callboard::Actor;
use futures::future::BoxFuture;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;

use super::{Authenticate, NO_ORGANISATION, PROCESS_MANAGER, Unauthenticated};
use crate::headers::is_visible;
use crate::problem::Problem;

/// The shortest shared secret, in bytes: as many as the hash has.
pub const TOKEN_SECRET_MIN: usize = 32;

/// How tokens are signed. There is one algorithm, fixed by whoever runs the service: a token never
/// chooses its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenAlgorithm {
    /// HMAC with SHA-256: the key is a shared secret.
    Hs256,
    /// RSA with SHA-256: the key is a public one, as PEM.
    Rs256,
    /// ECDSA on P-256 with SHA-256: the key is a public one, as PEM.
    Es256,
    /// Ed25519: the key is a public one, as PEM.
    EdDsa,
}

impl TokenAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 4] = [Self::Hs256, Self::Rs256, Self::Es256, Self::EdDsa];

    /// As tokens name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// What a key for it looks like, for people.
    pub fn key_form(self) -> &'static str {
        match self {
            Self::Hs256 => "a secret of at least 32 bytes",
            Self::Rs256 => "a public RSA key as PEM",
            Self::Es256 => "a public P-256 key as PEM",
            Self::EdDsa => "a public Ed25519 key as PEM",
        }
    }
}

/// What is no key for its algorithm. It never shows the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it must be {} for {}", .0.key_form(), .0.name())]
pub struct InvalidTokenKey(pub TokenAlgorithm);

/// Takes `Authorization: Bearer <JSON Web Token>`, and nothing else. The claims `sub` (who), `org`
/// (the organisation), `roles` (a list) and `exp` are required; `nbf` is kept, clocks may differ by
/// a minute; a token that is meant for an audience (`aud`) is not for us.
///
/// Cheap to clone; its `Debug` shows no key.
#[derive(Debug, Clone)]
pub struct BearerTokens(Arc<Verifier>);

#[derive(Debug)]
struct Verifier {
    key: DecodingKey,
    validation: Validation,
}

#[derive(Deserialize)]
struct Claims {
    sub: Arc<str>,
    org: Arc<str>,
    roles: Vec<Arc<str>>,
}

impl BearerTokens {
    /// Verifies tokens with this key.
    ///
    /// # Errors
    /// [`InvalidTokenKey`] when it is no key for the algorithm.
    pub fn new(algorithm: TokenAlgorithm, key: &str) -> Result<Self, InvalidTokenKey> {
        let invalid = InvalidTokenKey(algorithm);
        let (name, key) = match algorithm {
            TokenAlgorithm::Hs256 if key.len() < TOKEN_SECRET_MIN => return Err(invalid),
            TokenAlgorithm::Hs256 => (Algorithm::HS256, Ok(DecodingKey::from_secret(key.as_bytes()))),
            TokenAlgorithm::Rs256 => (Algorithm::RS256, DecodingKey::from_rsa_pem(key.as_bytes())),
            TokenAlgorithm::Es256 => (Algorithm::ES256, DecodingKey::from_ec_pem(key.as_bytes())),
            TokenAlgorithm::EdDsa => (Algorithm::EdDSA, DecodingKey::from_ed_pem(key.as_bytes())),
        };
        let mut validation = Validation::new(name);
        validation.validate_nbf = true;
        let key = key.map_err(|_| invalid)?;
        Ok(Self(Arc::new(Verifier { key, validation })))
    }

    fn actor(&self, headers: &HeaderMap) -> Result<Actor, Unauthenticated> {
        let token = bearer(headers)?;
        let decoded = decode::<Claims>(token, &self.0.key, &self.0.validation);
        let decoded = decoded.map_err(|error| refused(&reason(error.kind())))?;
        if decoded.header.crit.is_some() {
            return Err(refused("it asks for extensions that are not known here"));
        }
        let Claims { sub, org, roles } = decoded.claims;
        if !is_visible(&sub) || sub.starts_with(PROCESS_MANAGER) {
            return Err(refused("its claim sub must be 1 to 255 visible characters, not pm:…"));
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

/// Why a token isn't accepted. What it says of itself is never repeated: it would be in the logs.
fn reason(error: &ErrorKind) -> String {
    match error {
        ErrorKind::ExpiredSignature => "it has expired".into(),
        ErrorKind::ImmatureSignature => "it is not valid yet".into(),
        ErrorKind::InvalidSignature => "its signature is wrong".into(),
        ErrorKind::InvalidAlgorithm => "it is signed with another algorithm than the one that is allowed".into(),
        ErrorKind::InvalidAudience => "it is meant for another audience".into(),
        ErrorKind::MissingRequiredClaim(claim) => format!("it lacks the claim {claim}, or it has the wrong type"),
        ErrorKind::InvalidClaimFormat(claim) => format!("its claim {claim} has the wrong type"),
        ErrorKind::Json(_) => "its claims sub and org must be text, and roles a list of texts".into(),
        _ => "it can't be read".into(),
    }
}
