//! Answers of the query side.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::headers::{CALLBOARD_POSITION, PREFERENCE_APPLIED};

/// A page of rows: a JSON array, with a `Link` to the next page where there is one.
#[derive(Debug, Clone)]
pub struct Rows<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) position: HeaderValue,
    pub(crate) next: Option<HeaderValue>,
    pub(crate) waited: Option<Duration>,
}

impl<T> Rows<T> {
    /// The same page with each row in another form.
    pub fn map<U>(self, form: impl FnMut(T) -> U) -> Rows<U> {
        let rows = self.rows.into_iter().map(form).collect();
        Rows {
            rows,
            position: self.position,
            next: self.next,
            waited: self.waited,
        }
    }
}

impl<T: Serialize> IntoResponse for Rows<T> {
    fn into_response(self) -> Response {
        let mut headers = headers(self.position, self.waited);
        headers.extend(self.next.map(|next| (header::LINK, next)));
        (headers, Json(self.rows)).into_response()
    }
}

/// One row: a JSON object.
#[derive(Debug, Clone)]
pub struct Row<T> {
    pub(crate) row: T,
    pub(crate) position: HeaderValue,
    pub(crate) waited: Option<Duration>,
}

impl<T> Row<T> {
    /// The row in another form.
    pub fn map<U>(self, form: impl FnOnce(T) -> U) -> Row<U> {
        Row {
            row: form(self.row),
            position: self.position,
            waited: self.waited,
        }
    }
}

impl<T: Serialize> IntoResponse for Row<T> {
    fn into_response(self) -> Response {
        (headers(self.position, self.waited), Json(self.row)).into_response()
    }
}

fn headers(position: HeaderValue, waited: Option<Duration>) -> HeaderMap {
    let mut headers = HeaderMap::from_iter([(CALLBOARD_POSITION, position)]);
    // A wish for a longer wait than the longest was cut down: the client is told to what.
    headers.extend(waited.map(|wait| {
        let applied = format!("wait={}", wait.as_secs());
        (
            PREFERENCE_APPLIED,
            HeaderValue::try_from(applied).expect("digits are visible"),
        )
    }));
    headers
}
