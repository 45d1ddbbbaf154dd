//! Fingerprints: whether two requests under one idempotency key are the same command.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::log::Fingerprint;
use crate::names::StreamName;

/// SHA-256 of a command's name, its stream (where the request names it) and its body as canonical
/// JSON: object keys sorted, no white space.
pub fn fingerprint(name: &str, stream: Option<&StreamName>, body: &impl Serialize) -> Fingerprint {
    // `Value` keeps object keys sorted, which makes the text canonical.
    let body = serde_json::to_value(body)
        .map(|body| body.to_string())
        .unwrap_or_default();
    let mut hash = Sha256::new();
    for part in [name, stream.map_or("", StreamName::as_str), &body] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
