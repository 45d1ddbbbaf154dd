//! What tokens are verified with. Whatever would only make every token fail is refused here, at the start.

use jsonwebtoken::crypto::{rust_crypto, verify};
use jsonwebtoken::{Algorithm, DecodingKey};

/// The shortest shared secret, in bytes: as many as the hash has.
pub const TOKEN_SECRET_MIN: usize = 32;

/// The shortest RSA modulus, in bytes: 2048 bits (RFC 7518, 3.3).
const RSA_MIN: usize = 256;

/// How many bytes a public Ed25519 key has.
const ED25519: usize = 32;

/// How tokens are signed. There is one algorithm, fixed by whoever runs the service: a token never
/// chooses its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenAlgorithm {
    /// HMAC with SHA-256: the key is a shared secret.
    Hs256,
    /// RSA with SHA-256: the key is a public one of 2048 to 4096 bits, as PEM.
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
            Self::Hs256 => "a secret (no PEM) of at least 32 bytes",
            Self::Rs256 => "a public RSA key of 2048 to 4096 bits as PEM",
            Self::Es256 => "a public P-256 key as PEM",
            Self::EdDsa => "a public Ed25519 key as PEM",
        }
    }
}

/// What is no key for its algorithm. It never shows the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it must be {} for {}", .0.key_form(), .0.name())]
pub struct InvalidTokenKey(pub TokenAlgorithm);

/// The key of this text; `None` when it is none for the algorithm.
pub(super) fn read(algorithm: TokenAlgorithm, text: &str) -> Option<(Algorithm, DecodingKey)> {
    let pem = text.as_bytes();
    match algorithm {
        TokenAlgorithm::Hs256 => {
            // A public key is no secret: whoever knows it would sign tokens.
            let is_secret = text.len() >= TOKEN_SECRET_MIN && !text.contains("-----BEGIN ");
            is_secret.then(|| (Algorithm::HS256, DecodingKey::from_secret(pem)))
        }
        TokenAlgorithm::Rs256 if begins(text, &["PUBLIC KEY", "RSA PUBLIC KEY"]) => {
            let key = DecodingKey::from_rsa_pem(pem).ok()?;
            let components = rust_crypto::DEFAULT_PROVIDER
                .key_utils
                .rsa_pub_components_from_public_key;
            let (modulus, _) = components(key.try_get_as_bytes().ok()?).ok()?;
            (modulus.len() >= RSA_MIN).then_some((Algorithm::RS256, key))
        }
        TokenAlgorithm::Es256 if begins(text, &["PUBLIC KEY"]) => {
            let key = DecodingKey::from_ec_pem(pem).ok()?;
            verifies(&key, Algorithm::ES256).then_some((Algorithm::ES256, key))
        }
        TokenAlgorithm::EdDsa if begins(text, &["PUBLIC KEY"]) => {
            let key = DecodingKey::from_ed_pem(pem).ok()?;
            let whole = key.try_get_as_bytes().is_ok_and(|bytes| bytes.len() == ED25519);
            (whole && verifies(&key, Algorithm::EdDSA)).then_some((Algorithm::EdDSA, key))
        }
        _ => None,
    }
}

/// Whether it is one of these kinds of PEM. A private key or a certificate is none of them.
fn begins(text: &str, kinds: &[&str]) -> bool {
    let mut kinds = kinds.iter();
    kinds.any(|kind| text.trim_start().starts_with(&format!("-----BEGIN {kind}-----")))
}

/// Whether the key can be used at all: it says no to a signature that is none, where a wrong key fails.
fn verifies(key: &DecodingKey, algorithm: Algorithm) -> bool {
    verify("", b"", key, algorithm).is_ok()
}
