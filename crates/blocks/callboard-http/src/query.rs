//! The query side: an answer waits for the position that it must include, and says which it has.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Uri};
use callboard::{Actor, Log, Page, Position, Projection, Standing, View, Views};
use tokio::time::Instant;

use crate::answer::{self, Row, Rows};
use crate::cursor;
use crate::edge::Edge;
use crate::headers;
use crate::listing::{Listing, next_link, parameters, unknown};
use crate::problem::Problem;

/// How long a query waits for its position by default.
pub const WAIT_DEFAULT: Duration = Duration::from_secs(5);
/// The longest that a query waits for its position.
pub const WAIT_MAX: Duration = Duration::from_secs(30);

/// What a context's query routes are made from.
pub struct QuerySide<'a, V> {
    views: &'a V,
    edge: Edge,
}

impl<'a, V: Views> QuerySide<'a, V> {
    /// Routes that read these views.
    pub fn new(views: &'a V, edge: Edge) -> Self {
        Self { views, edge }
    }

    /// The state of the routes that read the view of `P`.
    pub fn view<P: Projection>(&self) -> ViewSide<P> {
        ViewSide(Arc::new(Side {
            view: self.views.view(),
            edge: self.edge.clone(),
        }))
    }
}

/// The state of one view's routes. Cheap to clone: axum does so several times for each request.
pub struct ViewSide<P: Projection>(Arc<Side<P>>);

struct Side<P: Projection> {
    view: View<P>,
    edge: Edge,
}

impl<P: Projection> Clone for ViewSide<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// A query of one view. Make it a handler's first argument: authentication comes before every
/// other check. A handler that reads several views takes one of each; they wait no longer together
/// than one does.
pub struct ViewQuery<P: Projection> {
    side: Arc<Side<P>>,
    actor: Actor,
    uri: Uri,
    wanted: Option<Position>,
    wait: Option<Duration>,
    deadline: Instant,
}

impl<S, P> FromRequestParts<S> for ViewQuery<P>
where
    S: Send + Sync,
    P: Projection,
    ViewSide<P>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let side = ViewSide::<P>::from_ref(state).0;
        let actor = side.edge.actor(&parts.headers).await?;
        let wait = headers::prefer_wait(&parts.headers, WAIT_MAX)?;
        Ok(Self {
            actor,
            uri: parts.uri.clone(),
            wanted: headers::wanted_position(&parts.headers, P::Log::NAME, &side.edge.logs)?,
            wait,
            deadline: Instant::now() + wait.unwrap_or(WAIT_DEFAULT),
            side,
        })
    }
}

impl<P: Projection> ViewQuery<P> {
    /// Who asks.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// A page of rows. Dropping the future is safe.
    ///
    /// # Errors
    /// The [`Problem`] that answers a wrong parameter, a view that is still behind, or one that
    /// can't be read.
    pub async fn list(self, listing: Listing) -> Result<Rows<P::Row>, Problem> {
        Ok(self.listed(listing).await?.1)
    }

    /// A page of rows, with where the view stood before they were read.
    async fn listed(self, listing: Listing) -> Result<(Standing, Rows<P::Row>), Problem> {
        let page = listing.page::<P>(&self.uri)?;
        let standing = self.caught_up().await?;
        // One row more than asked for tells whether there is a next page.
        let mut rows = self
            .side
            .view
            .page(&Page {
                limit: page.limit + 1,
                ..page.clone()
            })
            .await?;
        let more = rows.len() > page.limit;
        rows.truncate(page.limit);
        let next = rows.last().filter(|_| more).map(|last| {
            let link = next_link(&self.uri, "cursor", &cursor::encode::<P>(&page, last));
            HeaderValue::try_from(link).expect("a URI and a cursor are visible characters")
        });
        let headers = answer::headers(P::Log::NAME, standing, self.wait);
        Ok((standing, Rows { rows, next, headers }))
    }

    /// The row of this key; `missing` is the detail of the 404 where there is none. Dropping the
    /// future is safe.
    ///
    /// # Errors
    /// The [`Problem`] that answers a missing row, any query parameter, a view that is still
    /// behind, or one that can't be read.
    pub async fn one(self, key: &P::Key, missing: &str) -> Result<Row<P::Row>, Problem> {
        if let Some((name, _)) = parameters(&self.uri)?.first() {
            return Err(unknown(name));
        }
        let standing = self.caught_up().await?;
        self.row(key, standing, missing, |_| true).await
    }

    /// The row of this key with a page of what another view lists about it: rows that are as new as
    /// the row, or newer. A row that `shown` doesn't let through is as missing as one that isn't
    /// there. The query parameters, and the `Link` to the next page, are those of the list.
    /// Dropping the future is safe.
    ///
    /// # Errors
    /// The [`Problem`] that answers a missing row, a wrong parameter, a view that is still behind,
    /// or one that can't be read.
    pub async fn one_with<Q: Projection<Log = P::Log>>(
        self,
        key: &P::Key,
        missing: &str,
        shown: impl FnOnce(&P::Row) -> bool,
        mut list: ViewQuery<Q>,
        listing: Listing,
    ) -> Result<(Row<P::Row>, Rows<Q::Row>), Problem> {
        listing.page::<Q>(&self.uri)?;
        let standing = self.caught_up().await?;
        let mut one = self.row(key, standing, missing, shown).await?;
        list.wanted = list.wanted.max(Some(standing.position));
        let (listed, rows) = list.listed(listing).await?;
        // Of the two, the row is the one that may be older.
        let parked = standing.parked + listed.parked;
        one.headers = answer::headers(P::Log::NAME, Standing { parked, ..standing }, self.wait);
        Ok((one, rows))
    }

    async fn row(
        &self,
        key: &P::Key,
        standing: Standing,
        missing: &str,
        shown: impl FnOnce(&P::Row) -> bool,
    ) -> Result<Row<P::Row>, Problem> {
        let headers = answer::headers(P::Log::NAME, standing, self.wait);
        match self.side.view.get(key).await?.filter(shown) {
            Some(row) => Ok(Row { row, headers }),
            None => Err(Problem::not_found(missing).headers(headers)),
        }
    }

    /// Waits for the wanted position; where the rows stand that are read from now on.
    async fn caught_up(&self) -> Result<Standing, Problem> {
        let view = &self.side.view;
        let Some(wanted) = self.wanted else {
            return Ok(view.standing().await?);
        };
        let standing = tokio::select! {
            standing = view.wait_for(wanted, self.deadline) => standing?,
            () = self.side.edge.draining.cancelled() => view.standing().await?,
        };
        if standing.position >= wanted {
            return Ok(standing);
        }
        let reached = standing.position;
        let detail = format!("The view {} is at position {reached}, not yet at {wanted}.", P::NAME);
        let headers = answer::headers(P::Log::NAME, standing, None);
        Err(Problem::unavailable("view-behind", detail).headers(headers))
    }
}
