//! Answers of the query side.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use callboard::Standing;
use serde::Serialize;

use crate::command::position_header;
use crate::headers::{CALLBOARD_INCOMPLETE, CALLBOARD_POSITION, PREFERENCE_APPLIED};

/// A page of rows: a JSON array, with a `Link` to the next page where there is one.
#[derive(Debug, Clone)]
pub struct Rows<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) next: Option<HeaderValue>,
    pub(crate) headers: HeaderMap,
}

impl<T> Rows<T> {
    /// The same page with each row in another form.
    pub fn map<U>(self, form: impl FnMut(T) -> U) -> Rows<U> {
        let rows = self.rows.into_iter().map(form).collect();
        Rows {
            rows,
            next: self.next,
            headers: self.headers,
        }
    }
}

impl<T: Serialize> IntoResponse for Rows<T> {
    fn into_response(self) -> Response {
        let mut headers = self.headers;
        headers.extend(self.next.map(|next| (header::LINK, next)));
        (headers, Json(self.rows)).into_response()
    }
}

/// One row: a JSON object.
#[derive(Debug, Clone)]
pub struct Row<T> {
    pub(crate) row: T,
    pub(crate) headers: HeaderMap,
}

impl<T> Row<T> {
    /// The row in another form.
    pub fn map<U>(self, form: impl FnOnce(T) -> U) -> Row<U> {
        Row {
            row: form(self.row),
            headers: self.headers,
        }
    }

    /// One object of the row and a page of rows about it, with the page's `Link`.
    pub fn with<R, U>(self, page: Rows<R>, form: impl FnOnce(T, Vec<R>) -> U) -> Row<U> {
        let mut headers = self.headers;
        headers.extend(page.next.map(|next| (header::LINK, next)));
        Row {
            row: form(self.row, page.rows),
            headers,
        }
    }
}

impl<T: Serialize> IntoResponse for Row<T> {
    fn into_response(self) -> Response {
        (self.headers, Json(self.row)).into_response()
    }
}

/// The headers of an answer from a view that stands there.
pub(crate) fn headers(log: &str, standing: Standing, waited: Option<Duration>) -> HeaderMap {
    let mut headers = HeaderMap::from_iter([(CALLBOARD_POSITION, position_header(log, standing.position))]);
    if standing.parked > 0 {
        headers.insert(CALLBOARD_INCOMPLETE, visible(&format!("parked={}", standing.parked)));
    }
    // A wish for a longer wait than the longest was cut down: the client is told to what.
    if let Some(wait) = waited {
        headers.insert(PREFERENCE_APPLIED, visible(&format!("wait={}", wait.as_secs())));
    }
    headers
}

fn visible(text: &str) -> HeaderValue {
    HeaderValue::try_from(text).expect("letters and digits are visible")
}
