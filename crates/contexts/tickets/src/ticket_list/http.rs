//! `GET /tickets/tickets`, in the order in which they were added, with `?status=open&assignee=ann`.
//!
//! An actor sees the tickets of its own organisation; one that acts for none sees those of none.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use callboard::{Version, Views};
use callboard_http::{Listing, Problem, QuerySide, Rows, ViewQuery};
use jiff::Timestamp;
use serde::Serialize;

use super::{Status, TicketList, TicketRow};
use crate::ticket::{Assignee, Resolution, TicketId, Title};

/// A ticket as the list shows it: without its description, which may be long.
#[derive(Serialize)]
pub(crate) struct Summary {
    id: TicketId,
    title: Title,
    status: Status,
    assignee: Option<Assignee>,
    resolution: Option<Resolution>,
    added_by: Option<Arc<str>>,
    added_at: Timestamp,
    changed_at: Timestamp,
    version: Version,
}

impl From<TicketRow> for Summary {
    fn from(row: TicketRow) -> Self {
        Self {
            id: row.id,
            title: row.title,
            status: row.status,
            assignee: row.assignee,
            resolution: row.resolution,
            added_by: row.added_by,
            added_at: row.added_at,
            changed_at: row.changed_at,
            version: row.version,
        }
    }
}

pub(crate) fn routes(side: &QuerySide<'_, impl Views>) -> Router {
    Router::new()
        .route("/tickets/tickets", get(list))
        .with_state(side.view::<TicketList>())
}

async fn list(query: ViewQuery<TicketList>) -> Result<Rows<Summary>, Problem> {
    let listing = Listing::by("added_position")
        .only("organisation", query.actor().organisation.as_deref())
        .filter::<Status>("status")
        .filter::<Assignee>("assignee");
    Ok(query.list(listing).await?.map(Summary::from))
}
