//! What a receiver's answer means.

use std::time::Duration;

use callboard::HandlerError;
use jiff::Zoned;
use jiff::fmt::rfc2822;
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// Whether the receiver has the event, may take it later, or never will.
pub(super) fn judge(status: StatusCode, headers: &HeaderMap) -> Result<(), HandlerError> {
    if status.is_success() {
        return Ok(());
    }
    let said = format!("the receiver answered {status}");
    let later = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
    if later || status.is_server_error() {
        return Err(HandlerError::transient(said).after(retry_after(headers)));
    }
    Err(HandlerError::permanent(said))
}

/// How long the receiver wants to be left alone: so many seconds, or until a date, which is counted
/// from the receiver's own.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok();
    let after = text(RETRY_AFTER)?;
    if let Ok(seconds) = after.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| -> Option<Zoned> { rfc2822::parse(text).ok() };
    let wait = date(after)?.timestamp().duration_since(date(text(DATE)?)?.timestamp());
    wait.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::{DATE, Duration, HandlerError, HeaderMap, RETRY_AFTER, StatusCode, judge};

    fn judged(status: u16, headers: &[(reqwest::header::HeaderName, &str)]) -> Result<(), HandlerError> {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().expect("a header")))
            .collect();
        judge(StatusCode::from_u16(status).expect("a status"), &headers)
    }

    #[test]
    fn success_is_done_trouble_is_tried_again_and_everything_else_is_given_up() {
        for status in [200, 201, 202, 204, 299] {
            assert!(judged(status, &[]).is_ok(), "{status}");
        }
        for status in [408, 429, 500, 502, 503, 504, 599] {
            assert!(
                matches!(judged(status, &[]), Err(HandlerError::Transient { .. })),
                "{status}"
            );
        }
        for status in [301, 302, 307, 400, 401, 403, 404, 409, 410, 413, 422] {
            assert!(
                matches!(judged(status, &[]), Err(HandlerError::Permanent(_))),
                "{status}"
            );
        }
    }

    #[test]
    fn the_wait_that_the_receiver_asks_for_is_seconds_or_a_date() {
        let now = (DATE, "Wed, 21 Oct 2015 07:28:00 GMT");
        for (headers, expected) in [
            (vec![(RETRY_AFTER, "7")], Some(Duration::from_secs(7))),
            (
                vec![now.clone(), (RETRY_AFTER, "Wed, 21 Oct 2015 07:29:30 GMT")],
                Some(Duration::from_secs(90)),
            ),
            (vec![now.clone(), (RETRY_AFTER, "Wed, 21 Oct 2015 07:27:00 GMT")], None),
            (vec![(RETRY_AFTER, "Wed, 21 Oct 2015 07:29:30 GMT")], None),
            (vec![now, (RETRY_AFTER, "soon")], None),
            (vec![], None),
        ] {
            match judged(503, &headers) {
                Err(HandlerError::Transient { retry_after, .. }) => assert_eq!(retry_after, expected, "{headers:?}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
