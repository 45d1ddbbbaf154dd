//! Views: the read tables that projections keep, as queries see them.

use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Value;
use tokio::time::Instant;

use crate::log::Source;
use crate::names::Position;
use crate::projection::Projection;

/// A view that can't be read at present.
#[derive(Debug, thiserror::Error)]
#[error("the view {view} can't be read")]
pub struct ViewError {
    /// The projection's name.
    pub view: &'static str,
    /// The cause.
    #[source]
    pub source: Source,
}

/// Which rows, from where, how many.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// Columns and the JSON value that each must have; `null` matches rows without a value.
    pub equal: Vec<(&'static str, Value)>,
    /// The column to order by, never null in any row, ties broken by the key; `None` orders by the
    /// key alone. Text orders by its bytes, numbers by size.
    pub order_by: Option<&'static str>,
    /// Begin behind the row with these values: the ordering column's (if there is one), then the
    /// key's, as [`Page::cursor_of`] gives them.
    pub after: Option<Vec<Value>>,
    /// At most so many rows.
    pub limit: usize,
}

impl Page {
    /// The cursor that stands on `row`, for [`Page::after`] of the next page.
    pub fn cursor_of<P: Projection>(&self, row: &P::Row) -> Vec<Value> {
        let row = serde_json::to_value(row).unwrap_or_default();
        self.order_by
            .iter()
            .chain(P::KEY)
            .map(|column| row.get(column).cloned().unwrap_or_default())
            .collect()
    }
}

/// How far a view is folded, and what is missing in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Every event up to here is in its rows, but for the parked ones.
    pub position: Position,
    /// How many of these events are parked.
    pub parked: u64,
}

/// Reads one view. It passes [`crate::contract::views`]. Dropping any of these futures is safe.
pub trait ViewStore<P: Projection>: Send + Sync + 'static {
    /// The row of this key.
    fn get<'a>(&'a self, key: &'a P::Key) -> BoxFuture<'a, Result<Option<P::Row>, ViewError>>;

    /// A page of rows.
    fn page<'a>(&'a self, page: &'a Page) -> BoxFuture<'a, Result<Vec<P::Row>, ViewError>>;

    /// How far the view is folded. An answer reads it before its rows, so that the rows are never
    /// older than it says.
    fn standing(&self) -> BoxFuture<'_, Result<Standing, ViewError>>;

    /// Waits until the view is folded up to `position`, at the longest until `deadline`; returns
    /// how far it is then.
    fn wait_for(&self, position: Position, deadline: Instant) -> BoxFuture<'_, Result<Standing, ViewError>>;
}

/// A view of `P` in whatever store.
pub type View<P> = Arc<dyn ViewStore<P>>;

/// Hands out the views of a topology.
pub trait Views {
    /// The view that `P` keeps.
    fn view<P: Projection>(&self) -> View<P>;
}
