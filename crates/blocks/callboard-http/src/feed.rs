//! The event feed: a log's events over HTTP, as pages or live, for anyone who can't read the database.

mod live;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use callboard::log::{LogReader, ReadError, Slice};
use callboard::writer::Tap;
use callboard::{Position, Recorded, error_chain};
use futures::future::BoxFuture;
use tokio::sync::watch;

use crate::edge::Edge;
use crate::headers;
use crate::listing::{limit, next_link, parameters, unknown};
use crate::path::PathParam;
use crate::problem::Problem;

/// How many events a page has by default.
pub const EVENTS_DEFAULT: usize = 100;
/// The most events of a page.
pub const EVENTS_MAX: usize = 1_000;

/// A page ends behind the event that brings it to so many bytes; events may be large.
const PAGE_BYTES: usize = 8 * 1024 * 1024;
/// How many events are read at once.
const READ_EVENTS: usize = 100;

/// Wakes live feeds of a log: as a writer's [`Tap`], or by whoever hears of new events.
#[derive(Debug, Clone)]
pub struct FeedWaker(watch::Sender<()>);

impl Default for FeedWaker {
    fn default() -> Self {
        Self(watch::Sender::new(()))
    }
}

impl FeedWaker {
    /// Makes live feeds look at the log.
    pub fn wake(&self) {
        self.0.send_replace(());
    }
}

impl Tap for FeedWaker {
    fn recorded(&self, _: &Arc<[Recorded]>) {
        self.wake();
    }
}

/// A log reader whose type was erased.
trait AnyLog: Send + Sync {
    fn read(&self, after: Position, limit: usize) -> BoxFuture<'_, Result<Slice, ReadError>>;
}

impl<R: LogReader> AnyLog for R {
    fn read(&self, after: Position, limit: usize) -> BoxFuture<'_, Result<Slice, ReadError>> {
        Box::pin(LogReader::read(self, after, limit))
    }
}

/// One log of the feed.
#[derive(Clone)]
struct Source {
    log: &'static str,
    reader: Arc<dyn AnyLog>,
    waker: FeedWaker,
}

impl Source {
    async fn read(&self, after: Position, limit: usize) -> Result<Slice, Problem> {
        self.reader.read(after, limit).await.map_err(|error| {
            tracing::warn!(
                log = self.log,
                error = error_chain(&error),
                "the event feed can't read the log"
            );
            Problem::unavailable("unavailable", format!("The log {} can't be read at present.", self.log))
        })
    }

    fn json(&self, event: &Recorded) -> String {
        serde_json::to_string(&event.to_public(self.log)).expect("what a log holds has a JSON form")
    }
}

/// `GET /logs/{log}/events`, for each log that it is given.
pub struct EventFeed {
    edge: Edge,
    logs: BTreeMap<&'static str, Source>,
}

impl EventFeed {
    /// A feed of no log yet.
    pub fn new(edge: Edge) -> Self {
        Self {
            edge,
            logs: BTreeMap::new(),
        }
    }

    /// Feeds this log, too; `waker` tells of new events sooner than the feed's own look.
    #[must_use]
    pub fn log(mut self, log: &'static str, reader: impl LogReader, waker: &FeedWaker) -> Self {
        self.logs.insert(
            log,
            Source {
                log,
                reader: Arc::new(reader),
                waker: waker.clone(),
            },
        );
        self
    }

    /// The feed's routes.
    pub fn routes(self) -> Router {
        Router::new()
            .route("/logs/{log}/events", get(events))
            .with_state(Arc::new(self))
    }
}

async fn events(
    State(feed): State<Arc<EventFeed>>,
    log: Result<PathParam<String>, Problem>,
    request: Request,
) -> Result<Response, Problem> {
    feed.edge.actor(request.headers()).await?;
    let PathParam(log) = log?;
    let source = feed.logs.get(&*log).cloned().ok_or_else(|| {
        let known = feed.logs.keys().copied().collect::<Vec<_>>().join(", ");
        Problem::not_found(format!("There is no log {log:?}; there are: {known}."))
    })?;
    let (after, limit) = range(request.uri())?;
    if wants_stream(request.headers()) {
        let after = headers::last_event_id(request.headers())?.unwrap_or(after);
        live::answer(source, after, &feed.edge).await
    } else {
        page(&source, after, limit, request.uri()).await
    }
}

/// `after` and `limit`, or their defaults.
fn range(uri: &Uri) -> Result<(Position, usize), Problem> {
    let (mut after, mut count) = (Position::START, EVENTS_DEFAULT);
    for (name, value) in parameters(uri)? {
        let invalid = |rule| Problem::invalid("invalid-query", format!("/{name}"), rule);
        match &*name {
            "after" => after = headers::position(&value).ok_or_else(|| invalid("a position, or 0"))?,
            "limit" => count = limit(&value, EVENTS_MAX).ok_or_else(|| invalid("an integer from 1 to 1000"))?,
            _ => return Err(unknown(&name)),
        }
    }
    Ok((after, count))
}

fn wants_stream(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|accept| accept.to_str().ok())
        .any(|accept| {
            let mut types = accept
                .split(',')
                .map(|range| range.split(';').next().unwrap_or_default().trim());
            types.any(|range| range.eq_ignore_ascii_case("text/event-stream"))
        })
}

/// A page may have fewer events than asked for without being the last one; an empty page is.
async fn page(source: &Source, after: Position, limit: usize, uri: &Uri) -> Result<Response, Problem> {
    let (mut body, mut last, mut count) = (String::from("["), after, 0);
    while count < limit && body.len() < PAGE_BYTES {
        let asked = READ_EVENTS.min(limit - count);
        let Slice { events, more, .. } = source.read(last, asked).await?;
        for event in events {
            if count > 0 {
                body.push(',');
            }
            body.push_str(&source.json(&event));
            (last, count) = (event.position, count + 1);
        }
        if !more {
            break;
        }
    }
    body.push(']');
    let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    if last > after {
        let link = next_link(uri, "after", &last.to_string());
        headers.insert(
            header::LINK,
            HeaderValue::try_from(link).expect("a URI and digits are visible characters"),
        );
    }
    Ok((headers, body).into_response())
}
