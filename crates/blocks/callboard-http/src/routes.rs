//! Which command goes where, on the ops listener.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use callboard::ListedCommand;

use crate::listing::{parameters, unknown};
use crate::problem::Problem;

/// `GET /routes`: every command with its log, aggregate, stream, events and refusals, as JSON; a
/// browser, which asks for `text/html`, gets a table.
pub fn route_list(commands: Vec<ListedCommand>) -> Router {
    Router::new()
        .route("/routes", get(listed))
        .with_state(Arc::from(commands))
}

async fn listed(
    State(commands): State<Arc<[ListedCommand]>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Some((name, _)) = parameters(&uri)?.first() {
        return Err(unknown(name));
    }
    let accepts = headers.get_all(header::ACCEPT).iter();
    let mut accepts = accepts.filter_map(|accept| accept.to_str().ok());
    let answer = if accepts.any(|accept| accept.contains("text/html")) {
        Html(page(&commands)).into_response()
    } else {
        Json(&*commands).into_response()
    };
    Ok(([(header::VARY, "accept")], answer).into_response())
}

fn page(commands: &[ListedCommand]) -> String {
    let rows: String = commands.iter().map(row).collect();
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Routes</title>\
         <table><tr><th>Log<th>Command<th>Aggregate<th>Stream<th>Events<th>Refusals</tr>{rows}</table></html>\n"
    )
}

fn row(command: &ListedCommand) -> String {
    let events = command
        .events
        .iter()
        .map(|event| format!("{} v{}", event.name, event.schema_version));
    let cells = [
        command.log.to_owned(),
        command.command.to_owned(),
        command.aggregate.to_owned(),
        command.stream.to_owned(),
        events.collect::<Vec<_>>().join(", "),
        command.refusals.join(", "),
    ];
    let cells: String = cells.iter().map(|cell| format!("<td>{}", escaped(cell))).collect();
    format!("<tr>{cells}</tr>")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
