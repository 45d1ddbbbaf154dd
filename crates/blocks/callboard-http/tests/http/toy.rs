//! A toy context: named counters, and everything that a request to them may come to.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, Request, StatusCode};
use axum::routing::{get, post};
use callboard::log::LogReader;
use callboard::memory::{MemoryLog, MemoryViews};
use callboard::subscription::{Lock, Subscriber};
use callboard::writer::{Writer, WriterConfig};
use callboard::{
    Aggregate, Command, CommandContext, Commands, Decision, DecodeError, Event, EventType, Forbidden, Json, Log,
    Moment, Position, Projection, RawEvent, Reads, Recorded, Refusal, Route, StreamName, Views, World, to_json,
};
use callboard_http::{
    CommandRequest, CommandSide, Done, Edge, EventFeed, FeedWaker, JsonBody, Listing, PathParam, Problem, QuerySide,
    Row, Rows, ViewQuery,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt;

pub struct Toys;

impl Log for Toys {
    const NAME: &'static str = "toy";
    type Event = Counted;
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Counted {
    pub counter: String,
    pub by: u8,
}

impl Event for Counted {
    const TYPES: &'static [EventType] = &[EventType::new("Counted", 1)];

    fn event_type(&self) -> EventType {
        Self::TYPES[0]
    }

    fn encode(&self) -> Result<Json, serde_json::Error> {
        to_json(self)
    }

    fn decode(raw: &RawEvent) -> Result<Self, DecodeError> {
        raw.data()
    }
}

#[derive(Default, Clone)]
struct Counter;

impl Aggregate for Counter {
    type Log = Toys;

    fn evolve(&mut self, _: &Counted) {}
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Count {
    counter: String,
    by: u8,
}

impl Command for Count {
    type Log = Toys;
    const NAME: &'static str = "Count";
    const ROUTE: Route = Route {
        aggregate: "Counter",
        stream: "counter-{counter}",
        events: Counted::TYPES,
        refusals: &["counter-full", "no-such-counter"],
    };

    fn stream(&self) -> StreamName {
        StreamName::of("counter", &self.counter)
    }

    fn reads(&self) -> Reads<Toys> {
        Reads::of::<Counter>(self.stream())
    }

    fn authorize(&self, _: &World<'_, Toys>, _: &Moment) -> Result<(), Forbidden> {
        if self.by == 103 {
            Err(Forbidden::because("Not you."))
        } else {
            Ok(())
        }
    }

    fn decide(&self, _: &World<'_, Toys>, _: &Moment) -> Result<Decision<Counted>, Refusal> {
        match self.by {
            0 => Ok(Decision::nothing()),
            109 => Err(Refusal::rule("counter-full", "The counter is full.")),
            104 => Err(Refusal::not_found("no-such-counter", "There is no such counter.")),
            100 => panic!("a secret of the inside"),
            by => Ok(Decision::event(Counted {
                counter: self.counter.clone(),
                by,
            })),
        }
    }
}

pub struct Totals;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Total {
    counter: String,
    total: u64,
    even: bool,
}

impl Projection for Totals {
    type Log = Toys;
    type Key = String;
    type Row = Total;

    const NAME: &'static str = "totals";
    const VERSION: u32 = 1;
    const TABLE: &'static str = "toy.totals";
    const KEY: &'static [&'static str] = &["counter"];

    fn keys(event: &Counted) -> Vec<String> {
        vec![event.counter.clone()]
    }

    fn fold(counter: &String, row: Option<Total>, event: &Recorded<Counted>) -> Option<Total> {
        let total = row.map_or(0, |row| row.total) + u64::from(event.event.by);
        Some(Total {
            counter: counter.clone(),
            total,
            even: total.is_multiple_of(2),
        })
    }
}

/// A counter's name: letters.
pub struct Name(pub String);

impl std::str::FromStr for Name {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic());
        if valid {
            Ok(Self(text.into()))
        } else {
            Err("only letters")
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CountBody {
    by: u8,
    #[serde(default, rename = "parts")]
    _parts: Vec<Part>,
    #[serde(default, rename = "note")]
    _note: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    #[serde(rename = "n/m")]
    _n: u8,
}

async fn count(
    request: CommandRequest<Toys>,
    PathParam(Name(counter)): PathParam<Name>,
    JsonBody(CountBody { by, .. }): JsonBody<CountBody>,
) -> Result<Done, Problem> {
    request.execute(Count { counter, by }).await
}

async fn list(query: ViewQuery<Totals>) -> Result<Rows<Total>, Problem> {
    query.list(Listing::by_key().filter::<bool>("even")).await
}

async fn by_total(query: ViewQuery<Totals>) -> Result<Rows<u64>, Problem> {
    Ok(query.list(Listing::by("total")).await?.map(|row| row.total))
}

async fn one(query: ViewQuery<Totals>, PathParam(Name(name)): PathParam<Name>) -> Result<Row<Total>, Problem> {
    query.one(&name, "There is no such counter.").await
}

/// A whole service, in memory. Its writer ends with it.
pub struct Toy {
    pub log: MemoryLog,
    pub commands: Commands<Toys>,
    pub views: MemoryViews,
    pub waker: FeedWaker,
    pub draining: CancellationToken,
    pub routes: Router,
    _writer: DropGuard,
}

impl Toy {
    pub fn new() -> Self {
        Self::on(Edge::new(["toy", "other"]))
    }

    /// Over this edge. Nobody wakes its feed but the test.
    pub fn on(edge: Edge) -> Self {
        let (log, views, waker) = (MemoryLog::new(), MemoryViews::new(), FeedWaker::default());
        let router = callboard::Router::new().command::<Count>();
        let (writer, commands) = Writer::new(log.clone(), &router, (), WriterConfig::default());
        let (stop, draining) = (CancellationToken::new(), CancellationToken::new());
        tokio::spawn(writer.run(stop.clone()));
        let edge = edge.drain_on(draining.clone());
        let queries = QuerySide::new(&views, edge.clone()).view::<Totals>();
        let routes = Router::new()
            .route("/counters/{counter}/count", post(count))
            .with_state(CommandSide::new(commands.clone(), edge.clone()))
            .route("/counters", get(list))
            .route("/totals", get(by_total))
            .route("/counters/{counter}", get(one))
            .with_state(queries)
            .route(
                "/panic",
                get(|| async { panic!("a secret of the inside") as StatusCode }),
            )
            .merge(EventFeed::new(edge.clone()).log("toy", log.clone(), &waker).routes());
        let routes = edge.wrap(routes);
        Self {
            log,
            commands,
            views,
            waker,
            draining,
            routes,
            _writer: stop.drop_guard(),
        }
    }

    /// Counts, past HTTP.
    pub async fn count(&self, counter: &str, by: u8) {
        let command = Count {
            counter: counter.into(),
            by,
        };
        self.commands.execute(command, CommandContext::default()).await.unwrap();
    }

    /// Brings the view to the head.
    pub async fn project(&self) {
        let mut view = self.views.projection::<Totals>();
        let from = view.checkpoint().await.unwrap().position;
        let events = LogReader::read(&self.log, from, usize::MAX).await.unwrap().events;
        let events: Vec<_> = events.iter().map(|event| event.decode().unwrap()).collect();
        view.apply(&events, Lock::Wait).await.unwrap();
    }

    pub async fn position_of_view(&self) -> Position {
        self.views.view::<Totals>().standing().await.unwrap().position
    }

    pub async fn events(&self) -> Vec<Recorded> {
        LogReader::read(&self.log, Position::START, usize::MAX)
            .await
            .unwrap()
            .events
    }

    /// Answers a request, with its whole body.
    pub async fn answer(&self, request: Request<Body>) -> Answer {
        answer(&self.routes, request).await
    }

    pub async fn get(&self, uri: &str) -> Answer {
        self.get_with(uri, &[]).await
    }

    pub async fn get_with(&self, uri: &str, headers: &[(&str, &str)]) -> Answer {
        self.answer(request("GET", uri, headers, Body::empty())).await
    }

    /// `POST /counters/a/count` with `{"by": by}` and these headers.
    pub async fn post_count(&self, by: u8, headers: &[(&str, &str)]) -> Answer {
        self.post_body(format!("{{\"by\":{by}}}"), headers).await
    }

    /// `POST /counters/a/count` with this body as JSON and these headers.
    pub async fn post_body(&self, body: impl Into<Body>, headers: &[(&str, &str)]) -> Answer {
        let headers = [&[("content-type", "application/json")], headers].concat();
        self.answer(request("POST", "/counters/a/count", &headers, body)).await
    }
}

/// What these routes answer a request, with its whole body.
pub async fn answer(routes: &Router, request: Request<Body>) -> Answer {
    let response = routes.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    Answer {
        status: head.status,
        headers: head.headers,
        body,
    }
}

pub fn request(method: &str, uri: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: impl Into<Arc<str>>) -> Option<&str> {
        let name: HeaderName = name.into().parse().unwrap();
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// It is a problem of this status and name; returns it.
    #[track_caller]
    pub fn problem(&self, status: u16, name: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:callboard:problem:{name}"), "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        for text in ["title", "detail"] {
            assert!(problem[text].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
        }
        if matches!(status, 429 | 503) {
            assert!(self.header("retry-after").is_some(), "{self:?}");
        }
        problem
    }

    /// It is a 400 of this name that points here.
    #[track_caller]
    pub fn invalid(&self, name: &str, pointer: &str) {
        let problem = self.problem(400, name);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        assert!(
            problem["errors"][0]["detail"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{problem}"
        );
    }
}
