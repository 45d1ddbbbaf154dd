//! Bodies: bounded, in time, and strictly JSON.

use axum::body::{Body, Bytes};
use axum::extract::{FromRef, FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use futures::StreamExt;
use serde::de::DeserializeOwned;

use crate::edge::Limits;
use crate::problem::Problem;
use crate::strict::{self, Invalid};

/// How many times its limit an oversize body is read and thrown away. A connection that is closed
/// over unread bytes is reset, and the client might never see the answer.
const PATIENCE: usize = 16;

/// A JSON object read as a `T`, a struct that should `deny_unknown_fields`.
///
/// Refused with a problem: another content type (415), too large (413), too slow (408); and 400
/// with a pointer to the field for everything else that is not a `T`, including doubled fields,
/// `\u0000`, deep nesting and numbers out of range.
#[derive(Debug, Clone)]
pub struct JsonBody<T>(pub T);

impl<S, T> FromRequest<S> for JsonBody<T>
where
    S: Send + Sync,
    Limits: FromRef<S>,
    T: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let limits = Limits::from_ref(state);
        let (head, body) = request.into_parts();
        json_only(&head.headers)?;
        let reading = read(body, &head.headers, limits.body_bytes);
        let bytes = tokio::time::timeout(limits.body_within, reading).await.map_err(|_| {
            let detail = format!("The body took longer than {} s.", limits.body_within.as_secs_f32());
            Problem::new(StatusCode::REQUEST_TIMEOUT, "too-slow", detail)
        })??;
        strict::parse(&bytes).map(Self).map_err(|invalid| match invalid {
            Invalid::Json(error) => Problem::invalid("malformed-json", error.pointer, error.detail),
            Invalid::Shape(error) => Problem::invalid("invalid-body", error.pointer, error.detail),
        })
    }
}

fn json_only(headers: &HeaderMap) -> Result<(), Problem> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let value = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().unwrap_or_default(),
        _ => "",
    };
    let mut parts = value.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
    let json = media_type == "application/json"
        || media_type
            .strip_prefix("application/")
            .is_some_and(|subtype| subtype.ends_with("+json"));
    let utf8 = parts.all(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        !name.eq_ignore_ascii_case("charset") || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    if json && utf8 {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "not-json",
        "The body must be application/json in UTF-8.",
    ))
}

async fn read(body: Body, headers: &HeaderMap, limit: usize) -> Result<Bytes, Problem> {
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limit * PATIENCE) {
        return Err(too_large(limit));
    }
    let mut chunks = body.into_data_stream();
    let mut kept = Vec::with_capacity(declared.unwrap_or_default().min(limit));
    let mut seen = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "incomplete-body",
                "The body ended before it was complete.",
            )
        })?;
        seen += chunk.len();
        if seen <= limit {
            kept.extend_from_slice(&chunk);
        } else if seen > limit * PATIENCE {
            break;
        }
    }
    if seen > limit {
        Err(too_large(limit))
    } else {
        Ok(kept.into())
    }
}

fn too_large(limit: usize) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too-large",
        format!("The body has more than {limit} bytes."),
    )
}
