//! `GET /tickets/tickets/{id}`: one ticket as it stands, with its whole history, page by page.
//!
//! The history has what the ticket shows, and perhaps what happened in this very moment. Only an
//! actor of the ticket's organisation sees it; for others there is no such ticket.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::get;
use callboard::{Version, Views};
use callboard_http::{Listing, PathParam, Problem, QuerySide, Row, ViewQuery, ViewSide};
use jiff::Timestamp;
use serde::Serialize;

use super::{HistoryRow, TicketHistory};
use crate::ticket::{Assignee, Description, Resolution, TicketId, Title};
use crate::ticket_list::{Status, TicketList, TicketRow};

/// A ticket as it is shown alone.
#[derive(Serialize)]
struct Shown {
    id: TicketId,
    title: Title,
    description: Description,
    status: Status,
    assignee: Option<Assignee>,
    resolution: Option<Resolution>,
    added_by: Option<Arc<str>>,
    added_at: Timestamp,
    changed_at: Timestamp,
    version: Version,
    history: Vec<Entry>,
}

/// An event of its history.
#[derive(Serialize)]
struct Entry {
    version: Version,
    event: Cow<'static, str>,
    actor: Option<Arc<str>>,
    recorded_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<Title>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assignee: Option<Assignee>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolution: Option<Resolution>,
}

/// The two views that the answer is made of.
#[derive(Clone)]
struct Sides {
    list: ViewSide<TicketList>,
    history: ViewSide<TicketHistory>,
}

impl FromRef<Sides> for ViewSide<TicketList> {
    fn from_ref(sides: &Sides) -> Self {
        sides.list.clone()
    }
}

impl FromRef<Sides> for ViewSide<TicketHistory> {
    fn from_ref(sides: &Sides) -> Self {
        sides.history.clone()
    }
}

pub(crate) fn routes(side: &QuerySide<'_, impl Views>) -> Router {
    let sides = Sides {
        list: side.view(),
        history: side.view(),
    };
    Router::new().route("/tickets/tickets/{id}", get(one)).with_state(sides)
}

async fn one(
    query: ViewQuery<TicketList>,
    history: ViewQuery<TicketHistory>,
    PathParam(id): PathParam<TicketId>,
) -> Result<Row<Shown>, Problem> {
    let organisation = query.actor().organisation.clone();
    let listing = Listing::by_key().only("ticket", id.to_string());
    let (ticket, page) = query
        .one_with(
            &id,
            "There is no ticket with this id.",
            |row| row.organisation == organisation,
            history,
            listing,
        )
        .await?;
    Ok(ticket.with(page, shown))
}

fn shown(row: TicketRow, history: Vec<HistoryRow>) -> Shown {
    let entry = |row: HistoryRow| Entry {
        version: row.version,
        event: row.event,
        actor: row.actor,
        recorded_at: row.recorded_at,
        title: row.title,
        assignee: row.assignee,
        resolution: row.resolution,
    };
    Shown {
        id: row.id,
        title: row.title,
        description: row.description,
        status: row.status,
        assignee: row.assignee,
        resolution: row.resolution,
        added_by: row.added_by,
        added_at: row.added_at,
        changed_at: row.changed_at,
        version: row.version,
        history: history.into_iter().map(entry).collect(),
    }
}
