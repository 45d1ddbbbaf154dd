//! The headers that commands and queries come with, each parsed in one place.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, header};
use callboard::{IfMatch, METADATA_FIELD_MAX, Position, Version};

use crate::problem::Problem;

/// `warehouse:17`: of an answer, what it includes; of a query, what its answer must include.
pub const CALLBOARD_POSITION: HeaderName = HeaderName::from_static("callboard-position");
/// `parked=3`: of an answer, how many events of its view are parked, so that their changes are missing.
pub const CALLBOARD_INCOMPLETE: HeaderName = HeaderName::from_static("callboard-incomplete");
/// 1 to 255 visible characters: a repeat with the same key answers the same receipt.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// `true` on the answer to a repeat.
pub const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// 1 to 255 visible characters, the same for everything that one request sets off.
pub const X_CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
/// Which preference an answer has followed (RFC 7240).
pub const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// 1 to 255 visible characters: in development, who sends a request.
pub const CALLBOARD_ACTOR: HeaderName = HeaderName::from_static("callboard-actor");
/// 1 to 255 visible characters: in development, the organisation that the actor acts in.
pub const CALLBOARD_ORGANISATION: HeaderName = HeaderName::from_static("callboard-organisation");
/// `agent,lead`: in development, the actor's roles; at most 255 characters.
pub const CALLBOARD_ROLES: HeaderName = HeaderName::from_static("callboard-roles");

const PREFER: HeaderName = HeaderName::from_static("prefer");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Postgres counts positions in signed 64-bit integers.
const POSITION_MAX: u64 = i64::MAX as u64;

pub(crate) fn invalid(name: &HeaderName, rule: &str) -> Problem {
    Problem::invalid("invalid-header", format!("/{name}"), rule)
}

/// The value of a header that may come once.
fn once<'h>(headers: &'h HeaderMap, name: &HeaderName, rule: &str) -> Result<Option<&'h str>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| invalid(name, rule)),
        (Some(_), Some(_)) => Err(invalid(name, "it may be given once")),
    }
}

/// Whether a text is 1 to 255 visible characters.
pub(crate) fn is_visible(text: &str) -> bool {
    (1..=METADATA_FIELD_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A header of 1 to 255 visible characters.
pub(crate) fn visible(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Arc<str>>, Problem> {
    const RULE: &str = "1 to 255 visible characters";
    let Some(value) = once(headers, name, RULE)? else {
        return Ok(None);
    };
    if is_visible(value) {
        Ok(Some(value.into()))
    } else {
        Err(invalid(name, RULE))
    }
}

/// Roles, separated by commas.
pub(crate) fn roles(headers: &HeaderMap) -> Result<Vec<Arc<str>>, Problem> {
    const RULE: &str = "roles such as agent,lead: visible characters, at most 255, separated by commas";
    let Some(value) = once(headers, &CALLBOARD_ROLES, RULE)? else {
        return Ok(Vec::new());
    };
    let roles: Vec<&str> = value.split(',').map(|role| role.trim_matches(' ')).collect();
    if value.len() <= METADATA_FIELD_MAX && roles.iter().all(|role| is_visible(role)) {
        Ok(roles.into_iter().map(Arc::from).collect())
    } else {
        Err(invalid(&CALLBOARD_ROLES, RULE))
    }
}

pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<Arc<str>>, Problem> {
    visible(headers, &IDEMPOTENCY_KEY)
}

pub(crate) fn correlation_id(headers: &HeaderMap) -> Result<Option<Arc<str>>, Problem> {
    visible(headers, &X_CORRELATION_ID)
}

pub(crate) fn if_match(headers: &HeaderMap) -> Result<Option<IfMatch>, Problem> {
    const RULE: &str = "one strong ETag of a version, such as \"3\", or *";
    let Some(value) = once(headers, &header::IF_MATCH, RULE)? else {
        return Ok(None);
    };
    if value == "*" {
        return Ok(Some(IfMatch::Any));
    }
    let version = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .and_then(number);
    version
        .map(|version| Some(IfMatch::Version(Version::new(version))))
        .ok_or_else(|| invalid(&header::IF_MATCH, RULE))
}

/// W3C trace context, kept as it came.
pub(crate) fn traceparent(headers: &HeaderMap) -> Result<Option<Arc<str>>, Problem> {
    const RULE: &str = "a W3C trace context, such as 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let Some(value) = once(headers, &TRACEPARENT, RULE)? else {
        return Ok(None);
    };
    if is_traceparent(value) {
        Ok(Some(value.into()))
    } else {
        Err(invalid(&TRACEPARENT, RULE))
    }
}

fn is_traceparent(value: &str) -> bool {
    let hex =
        |text: &str, length| text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let some = |text: &str| text.bytes().any(|byte| byte != b'0');
    let mut parts = value.splitn(5, '-');
    let mut part = || parts.next().unwrap_or_default();
    let (version, trace, parent, flags) = (part(), part(), part(), part());
    let known = hex(version, 2) && version != "ff";
    let ids = hex(trace, 32) && some(trace) && hex(parent, 16) && some(parent) && hex(flags, 2);
    // Later versions may append parts, version 00 has none.
    let rest = parts.next();
    known && ids && value.len() <= METADATA_FIELD_MAX && (rest.is_none() || version != "00")
}

/// Decimal digits without a sign or a leading zero.
pub(crate) fn number(text: &str) -> Option<u64> {
    let canonical = text == "0" || (text.starts_with(|first| matches!(first, '1'..='9')) && !text.contains('+'));
    if canonical { text.parse().ok() } else { None }
}

/// A position: a number that Postgres can hold.
pub(crate) fn position(text: &str) -> Option<Position> {
    number(text).filter(|number| *number <= POSITION_MAX).map(Position::new)
}

/// The position of `log` that a query's answer must include. Positions of other known logs are
/// none of its business.
pub(crate) fn wanted_position(headers: &HeaderMap, log: &str, known: &[&str]) -> Result<Option<Position>, Problem> {
    const RULE: &str = "log:position, such as warehouse:17, several separated by commas";
    let mut wanted = None;
    for value in headers.get_all(&CALLBOARD_POSITION) {
        let value = value.to_str().map_err(|_| invalid(&CALLBOARD_POSITION, RULE))?;
        for item in value.split(',') {
            let parsed = item
                .trim()
                .split_once(':')
                .and_then(|(name, at)| Some((name, position(at)?)));
            let (name, at) = parsed.ok_or_else(|| invalid(&CALLBOARD_POSITION, RULE))?;
            if name == log {
                wanted = wanted.max(Some(at));
            } else if !known.contains(&name) {
                let known = known.join(", ");
                return Err(invalid(
                    &CALLBOARD_POSITION,
                    &format!("no log has this name; there are: {known}"),
                ));
            }
        }
    }
    Ok(wanted)
}

/// `Prefer: wait=N`, in seconds, at most `max`; preferences that we don't know are not ours to judge.
pub(crate) fn prefer_wait(headers: &HeaderMap, max: Duration) -> Result<Option<Duration>, Problem> {
    const RULE: &str = "wait=N with N in whole seconds";
    for value in headers.get_all(&PREFER) {
        let value = value.to_str().map_err(|_| invalid(&PREFER, RULE))?;
        for preference in value.split(',') {
            let token = preference.split(';').next().unwrap_or_default();
            let (name, seconds) = token.split_once('=').unwrap_or((token, ""));
            if name.trim().eq_ignore_ascii_case("wait") {
                let seconds = number(seconds.trim().trim_matches('"')).ok_or_else(|| invalid(&PREFER, RULE))?;
                return Ok(Some(Duration::from_secs(seconds).min(max)));
            }
        }
    }
    Ok(None)
}

/// The id of the last event that a reconnecting event source has seen.
pub(crate) fn last_event_id(headers: &HeaderMap) -> Result<Option<Position>, Problem> {
    const RULE: &str = "the position of an event";
    let name = HeaderName::from_static("last-event-id");
    let Some(value) = once(headers, &name, RULE)? else {
        return Ok(None);
    };
    position(value).map(Some).ok_or_else(|| invalid(&name, RULE))
}
