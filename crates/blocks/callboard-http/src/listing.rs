//! Listings: how a list is ordered, which filters it takes, and the page that a request asks for.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::Query;
use axum::http::Uri;
use callboard::{Page, Projection};
use serde::Serialize;
use serde_json::Value;

use crate::cursor;
use crate::headers::number;
use crate::problem::Problem;

/// How many rows a list answers by default.
pub const LIST_DEFAULT: usize = 50;
/// The most rows that a list answers.
pub const LIST_MAX: usize = 500;

type Parse = fn(&str) -> Result<Value, String>;

/// How a view is listed. Clients may give `limit`, `cursor` and the filters named here; any other
/// query parameter is refused.
pub struct Listing {
    order_by: Option<&'static str>,
    only: Vec<(&'static str, Value)>,
    filters: Vec<(&'static str, Parse)>,
}

impl Listing {
    /// Ordered by the view's key.
    pub fn by_key() -> Self {
        Self {
            order_by: None,
            only: Vec::new(),
            filters: Vec::new(),
        }
    }

    /// Ordered by a column, never null, then by the view's key.
    pub fn by(column: &'static str) -> Self {
        Self {
            order_by: Some(column),
            only: Vec::new(),
            filters: Vec::new(),
        }
    }

    /// Keeps the rows with this value in a column, whatever the client asks for; `null` keeps those
    /// without one.
    #[must_use]
    pub fn only(mut self, column: &'static str, value: impl Into<Value>) -> Self {
        self.only.push((column, value.into()));
        self
    }

    /// Takes a filter: a query parameter of the column's name, parsed as a `T`, keeps the rows
    /// with that value.
    #[must_use]
    pub fn filter<T: FromStr<Err: Display> + Serialize>(mut self, column: &'static str) -> Self {
        self.filters.push((column, |text| {
            let value = text.parse::<T>().map_err(|rule| rule.to_string())?;
            serde_json::to_value(value).map_err(|error| error.to_string())
        }));
        self
    }

    /// The page that a request asks for.
    pub(crate) fn page<P: Projection>(&self, uri: &Uri) -> Result<Page, Problem> {
        let mut page = Page {
            order_by: self.order_by,
            equal: self.only.clone(),
            limit: LIST_DEFAULT,
            ..Page::default()
        };
        for (name, value) in parameters(uri)? {
            let invalid = |rule: &str| Problem::invalid("invalid-query", format!("/{name}"), rule);
            match &*name {
                "limit" => page.limit = limit(&value, LIST_MAX).ok_or_else(|| invalid("an integer from 1 to 500"))?,
                "cursor" => {
                    let after = cursor::decode::<P>(&page, &value);
                    page.after = Some(after.ok_or_else(|| invalid("a cursor that a Link of this list gave"))?);
                }
                _ => {
                    let filter = self.filters.iter().find(|(column, _)| *column == name);
                    let (column, parse) = filter.ok_or_else(|| unknown(&name))?;
                    page.equal.push((column, parse(&value).map_err(|rule| invalid(&rule))?));
                }
            }
        }
        Ok(page)
    }
}

/// The query's parameters, each once.
pub(crate) fn parameters(uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
    let Query(parameters) = Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|_| Problem::invalid("invalid-query", "", "the query is not name=value pairs joined by &"))?;
    for (at, (name, value)) in parameters.iter().enumerate() {
        let wrong = |rule| Err(Problem::invalid("invalid-query", format!("/{name}"), rule));
        if parameters[..at].iter().any(|(earlier, _)| earlier == name) {
            return wrong("given twice");
        }
        if value.contains('\0') {
            return wrong("the character \\u0000 is in no row");
        }
    }
    Ok(parameters)
}

pub(crate) fn unknown(name: &str) -> Problem {
    Problem::invalid("invalid-query", format!("/{name}"), "unknown parameter")
}

pub(crate) fn limit(text: &str, max: usize) -> Option<usize> {
    number(text)
        .and_then(|limit| usize::try_from(limit).ok())
        .filter(|limit| (1..=max).contains(limit))
}

/// The same list from `cursor` on, for the `Link` of an answer.
pub(crate) fn next_link(uri: &Uri, name: &str, cursor: &str) -> String {
    // What the client sent is kept as it came, so that it needn't be encoded again.
    let kept = uri.query().unwrap_or_default().split('&').filter(|pair| {
        let given = pair.split('=').next().unwrap_or_default();
        !given.is_empty() && given != name
    });
    let query = kept
        .map(str::to_owned)
        .chain([format!("{name}={cursor}")])
        .collect::<Vec<_>>()
        .join("&");
    format!("<{}?{query}>; rel=\"next\"", uri.path())
}
