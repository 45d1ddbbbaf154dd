//! Problems: every answer that isn't a success, as `application/problem+json` (RFC 9457).

use std::fmt;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use callboard::{CommandError, Refusal, RefusalKind, ViewError, error_chain};
use serde::Serialize;

/// What every problem's `type` begins with; the rest is its stable kebab-case name.
const TYPE_PREFIX: &str = "urn:callboard:problem:";

/// When to come again, where nobody knows better.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// An answer that isn't a success. Its `type` is stable, its `detail` is for people.
#[derive(Debug, Clone)]
pub struct Problem(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
}

#[derive(Debug, Clone, Serialize)]
struct Body {
    #[serde(rename = "type")]
    problem_type: String,
    title: String,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<serde_json::Value>,
}

/// What is wrong with one part of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// JSON pointer to the field; of a path or query parameter or a header, `/` and its name.
    pub pointer: String,
    /// The rule, for people.
    pub detail: String,
}

impl Problem {
    /// A problem with a stable kebab-case name.
    pub fn new(status: StatusCode, name: &str, detail: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            status,
            headers: HeaderMap::new(),
            body: Body {
                problem_type: format!("{TYPE_PREFIX}{name}"),
                title: title_of(name),
                status: status.as_u16(),
                detail: detail.into(),
                errors: Vec::new(),
                checks: Vec::new(),
            },
        }))
    }

    /// 400: one field, parameter or header is wrong.
    pub fn invalid(name: &str, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let (pointer, detail) = (pointer.into(), detail.into());
        let about = pointer.trim_start_matches('/');
        let text = if about.is_empty() {
            detail.clone()
        } else {
            format!("{about}: {detail}")
        };
        Self::new(StatusCode::BAD_REQUEST, name, text).field(pointer, detail)
    }

    /// 404: what the request is about isn't there.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// 500: a fault in our code; what it was is in the log file, never in the answer.
    pub fn fault() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "fault",
            "An internal fault. It was logged.",
        )
    }

    /// 503: come again later.
    pub fn unavailable(name: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, name, detail)
    }

    /// Names one more field that is wrong.
    #[must_use]
    pub fn field(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.0.body.errors.push(FieldError {
            pointer: pointer.into(),
            detail: detail.into(),
        });
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// Adds headers to the answer.
    #[must_use]
    pub(crate) fn headers(mut self, headers: HeaderMap) -> Self {
        self.0.headers.extend(headers);
        self
    }

    /// Says when to come again, in whole seconds, at least one.
    #[must_use]
    pub fn retry_after(self, after: Duration) -> Self {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        self.header(header::RETRY_AFTER, seconds.max(1).into())
    }

    /// Lists the readiness checks.
    pub(crate) fn checks(mut self, checks: Vec<serde_json::Value>) -> Self {
        self.0.body.checks = checks;
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The `type`, e.g. `urn:callboard:problem:insufficient-quantity-on-hand`.
    pub fn problem_type(&self) -> &str {
        &self.0.body.problem_type
    }

    /// What is wrong with which field.
    pub fn errors(&self) -> &[FieldError] {
        &self.0.body.errors
    }
}

/// `quantity-on-hand-overflow` → `Quantity on hand overflow`.
fn title_of(name: &str) -> String {
    let words = name.replace('-', " ");
    let mut letters = words.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: {}",
            self.0.status.as_u16(),
            self.0.body.problem_type,
            self.0.body.detail
        )
    }
}

impl std::error::Error for Problem {}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Inner {
            status,
            mut headers,
            body,
        } = *self.0;
        let come_again = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        if come_again && !headers.contains_key(header::RETRY_AFTER) {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER.as_secs().into());
        }
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        let body = serde_json::to_vec(&body).expect("strings and numbers have a JSON form");
        (status, headers, body).into_response()
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Refused(refusal) => refused(refusal),
            CommandError::Forbidden(forbidden) => Self::new(StatusCode::FORBIDDEN, "forbidden", forbidden.reason),
            CommandError::VersionMismatch { stream, actual } => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "version-mismatch",
                format!("The stream {stream} has version {actual}."),
            )
            .header(header::ETAG, etag(actual)),
            CommandError::KeyReused => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency-key-reused",
                "The idempotency key was used for another command.",
            ),
            CommandError::Unrecordable(reason) => Self::new(
                StatusCode::BAD_REQUEST,
                "unrecordable",
                format!("The command can't be recorded: {reason}."),
            ),
            CommandError::Overloaded { reason, retry_after } => {
                Self::unavailable("overloaded", format!("Not done: {reason}.")).retry_after(retry_after)
            }
            CommandError::Unavailable => Self::unavailable(
                "unavailable",
                "The log can't be reached at present; nothing was recorded.",
            ),
            CommandError::OutcomeUnknown => Self::unavailable(
                "outcome-unknown",
                "It isn't known whether the command was done: repeat it with the same idempotency key.",
            ),
            error => {
                tracing::error!(error = error_chain(&error), "a command met a fault");
                Self::fault()
            }
        }
    }
}

fn refused(refusal: Refusal) -> Problem {
    let status = match refusal.kind {
        RefusalKind::Rule => StatusCode::CONFLICT,
        RefusalKind::NotFound => StatusCode::NOT_FOUND,
    };
    Problem::new(status, refusal.rule, refusal.detail)
}

impl From<ViewError> for Problem {
    fn from(error: ViewError) -> Self {
        tracing::warn!(view = error.view, error = error_chain(&error), "a view can't be read");
        Self::unavailable(
            "unavailable",
            format!("The view {} can't be read at present.", error.view),
        )
    }
}

/// A version as a strong ETag, e.g. `"3"`.
pub(crate) fn etag(version: callboard::Version) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).expect("digits and quotes are visible")
}

#[cfg(test)]
mod tests {
    use callboard::{Forbidden, StreamName, Version};

    use super::*;

    /// What a command error is answered with: status, the end of its type, `Retry-After`.
    fn answered(error: CommandError) -> (u16, String, Option<String>) {
        let problem = Problem::from(error);
        let name = problem
            .problem_type()
            .strip_prefix(TYPE_PREFIX)
            .expect("the prefix")
            .to_owned();
        let response = problem.into_response();
        let retry_after = response.headers().get(header::RETRY_AFTER);
        let retry_after = retry_after.map(|after| after.to_str().expect("digits").to_owned());
        (response.status().as_u16(), name, retry_after)
    }

    #[test]
    fn each_command_error_has_its_status_and_come_again_always_says_when() {
        let overloaded = |millis| CommandError::Overloaded {
            reason: "full",
            retry_after: Duration::from_millis(millis),
        };
        let stream = StreamName::of("product", "a");
        let cases = [
            (
                CommandError::Refused(Refusal::rule("too-late", "Too late.")),
                (409, "too-late", None),
            ),
            (
                CommandError::Refused(Refusal::not_found("no-such", "No such.")),
                (404, "no-such", None),
            ),
            (
                CommandError::Forbidden(Forbidden::because("Not you.")),
                (403, "forbidden", None),
            ),
            (
                CommandError::VersionMismatch {
                    stream,
                    actual: Version::new(3),
                },
                (412, "version-mismatch", None),
            ),
            (CommandError::KeyReused, (422, "idempotency-key-reused", None)),
            (
                CommandError::Unrecordable("too large".into()),
                (400, "unrecordable", None),
            ),
            (overloaded(2_500), (503, "overloaded", Some("3"))),
            (overloaded(0), (503, "overloaded", Some("1"))),
            (CommandError::Unavailable, (503, "unavailable", Some("1"))),
            (CommandError::OutcomeUnknown, (503, "outcome-unknown", Some("1"))),
            (CommandError::Fault("secret".into()), (500, "fault", None)),
        ];
        for (error, (status, name, retry_after)) in cases {
            let text = error.to_string();
            assert_eq!(
                answered(error),
                (status, name.into(), retry_after.map(Into::into)),
                "{text}"
            );
        }
    }
}
