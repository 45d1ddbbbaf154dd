//! A client of the public API and the ops listeners.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::support::eventually;

/// Longer than anything that a service promises to answer within.
const ANSWER_WITHIN: Duration = Duration::from_secs(45);

/// Asks a command side and a query side. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    http: Client,
    commands: String,
    queries: String,
    /// How far the log goes at least: it never gets shorter.
    seen: Arc<AtomicU64>,
}

/// Who sends a request; whatever is empty isn't said.
#[derive(Debug, Clone, Copy)]
pub struct Who {
    /// Who.
    pub name: &'static str,
    /// The organisation.
    pub organisation: &'static str,
    /// The roles, separated by commas.
    pub roles: &'static str,
}

/// A request that isn't sent yet.
#[must_use]
pub struct Ask(RequestBuilder);

impl Ask {
    /// With a header.
    pub fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value))
    }

    /// With an idempotency key.
    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// Only if the stream has this version.
    pub fn if_version(self, version: u64) -> Self {
        self.header("if-match", &format!("\"{version}\""))
    }

    /// Answered from this position on.
    pub fn at(self, position: u64) -> Self {
        self.at_of("warehouse", position)
    }

    /// Answered from this position of this log on.
    pub fn at_of(self, log: &str, position: u64) -> Self {
        self.header("callboard-position", &format!("{log}:{position}"))
    }

    /// Sent by somebody.
    pub fn by(self, who: &Who) -> Self {
        let headers = [
            ("callboard-actor", who.name),
            ("callboard-organisation", who.organisation),
            ("callboard-roles", who.roles),
        ];
        let given = headers.into_iter().filter(|(_, value)| !value.is_empty());
        given.fold(self, |ask, (name, value)| ask.header(name, value))
    }

    /// With a body that is sent as JSON, whatever it is.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self(self.0.header("content-type", "application/json").body(body.into()))
    }

    /// With a body of another type.
    pub fn body_of(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self(self.0.header("content-type", content_type).body(body.into()))
    }

    /// The answer.
    ///
    /// # Panics
    /// When there is none.
    pub async fn send(self) -> Answer {
        self.try_send().await.expect("an answer")
    }

    /// The answer.
    ///
    /// # Errors
    /// When the connection is lost, or can't be made.
    pub async fn try_send(self) -> Result<Answer, reqwest::Error> {
        Answer::read(self.0.send().await?).await
    }

    /// The response, its body unread.
    ///
    /// # Panics
    /// When there is none.
    pub async fn open(self) -> reqwest::Response {
        self.0.send().await.expect("an answer")
    }
}

impl Api {
    /// A client of these addresses.
    ///
    /// # Panics
    /// Never: plain HTTP needs nothing.
    pub fn new(commands: SocketAddr, queries: SocketAddr) -> Self {
        let http = Client::builder().timeout(ANSWER_WITHIN).no_proxy().build();
        Self {
            http: http.expect("plain HTTP needs nothing"),
            commands: format!("http://{commands}"),
            queries: format!("http://{queries}"),
            seen: Arc::default(),
        }
    }

    /// A request to the command side.
    pub fn command(&self, method: Method, path: &str) -> Ask {
        Ask(self.http.request(method, format!("{}{path}", self.commands)))
    }

    /// A request to the query side.
    pub fn query(&self, method: Method, path: &str) -> Ask {
        Ask(self.http.request(method, format!("{}{path}", self.queries)))
    }

    /// `POST …/increase_quantity` with this body.
    pub fn increase_with(&self, sku: &str, body: impl Into<Vec<u8>>) -> Ask {
        self.command(Method::POST, &format!("/warehouse/products/{sku}/increase_quantity"))
            .body(body)
    }

    /// `POST …/ship_quantity` with this body.
    pub fn ship_with(&self, sku: &str, body: impl Into<Vec<u8>>) -> Ask {
        self.command(Method::POST, &format!("/warehouse/products/{sku}/ship_quantity"))
            .body(body)
    }

    /// So many more of a product.
    pub fn increase(&self, sku: &str, quantity: i64) -> Ask {
        self.increase_with(sku, json!({ "quantity": quantity }).to_string())
    }

    /// So many of a product go out.
    pub fn ship(&self, sku: &str, quantity: i64) -> Ask {
        self.ship_with(sku, json!({ "quantity": quantity }).to_string())
    }

    /// A view.
    pub fn get(&self, path: &str) -> Ask {
        self.query(Method::GET, path)
    }

    /// A product's quantity, from this position on; nothing when there is no such product.
    ///
    /// # Panics
    /// When the answer is neither.
    pub async fn quantity(&self, sku: &str, position: u64) -> Option<i64> {
        let path = format!("/warehouse/products/{sku}");
        let answer = self.get(&path).at(position).send().await;
        if answer.status == 404 {
            return None;
        }
        let answer = answer.with_status(200);
        assert_eq!(answer.body["sku"], sku);
        Some(answer.body["quantity"].as_i64().expect("a number"))
    }

    /// Every event behind a position, page by page.
    ///
    /// # Panics
    /// When positions leave a gap.
    pub async fn events(&self, after: u64) -> Vec<Value> {
        self.events_of("warehouse", after).await
    }

    /// Every event of a log behind a position, page by page.
    ///
    /// # Panics
    /// When positions leave a gap.
    pub async fn events_of(&self, log: &str, after: u64) -> Vec<Value> {
        let mut events: Vec<Value> = Vec::new();
        loop {
            let behind = after + events.len() as u64;
            let path = format!("/logs/{log}/events?after={behind}&limit=1000");
            let page = self.get(&path).send().await.with_status(200);
            for (event, place) in page.rows().iter().zip(1..) {
                assert_eq!(event["position"], behind + place, "positions are gapless");
            }
            if page.rows().is_empty() {
                return events;
            }
            events.extend_from_slice(page.rows());
        }
    }

    /// The log's last position.
    pub async fn head(&self) -> u64 {
        let seen = self.seen.load(Ordering::Relaxed);
        let head = seen + self.events(seen).await.len() as u64;
        self.seen.fetch_max(head, Ordering::Relaxed);
        head
    }

    /// Every row of a list from this position on, page by page.
    pub async fn list(&self, path: &str, position: u64) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut next = Some(format!("{path}?limit=500"));
        while let Some(path) = next {
            let page = self.get(&path).at(position).send().await.with_status(200);
            rows.extend_from_slice(page.rows());
            next = page.next();
        }
        rows
    }

    /// The position of the notification that the shipment at this position is answered with, as soon
    /// as there is one.
    pub async fn notified(&self, shipment: u64) -> u64 {
        let shipped = &self.events(shipment - 1).await[0];
        eventually("a notification", async || {
            let events = self.events(shipment).await;
            let notified = events
                .iter()
                .find(|event| event["metadata"]["causation_id"] == shipped["id"]);
            notified.map(|event| event["position"].as_u64().expect("a number"))
        })
        .await
    }

    /// A page of an ops listener.
    pub async fn ops(&self, ops: SocketAddr, path: &str) -> Answer {
        let response = self.http.get(format!("http://{ops}{path}")).send().await;
        Answer::of(response.expect("an answer")).await
    }

    /// An operator's order to an ops listener.
    pub async fn order(&self, ops: SocketAddr, path: &str, body: &Value) -> Answer {
        let request = self.http.post(format!("http://{ops}{path}")).json(body);
        Answer::of(request.send().await.expect("an answer")).await
    }

    /// Waits until a service is ready.
    pub async fn until_ready(&self, ops: SocketAddr) {
        let mut last = Value::Null;
        eventually("a service is ready", async || {
            let answer = self.ops(ops, "/readyz?verbose").await;
            let ready = (answer.status == 200).then_some(());
            last = answer.body;
            ready
        })
        .await;
    }

    /// The sum of a metric over all of its labels that hold `label`.
    pub async fn metric(&self, ops: SocketAddr, name: &str, label: &str) -> f64 {
        let page = self.ops(ops, "/metrics").await.with_status(200);
        let page = page.body.as_str().expect("a text page").to_owned();
        let lines = page.lines().filter(|line| {
            let named = line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
            named && line.contains(label)
        });
        lines
            .map(|line| {
                line.rsplit(' ')
                    .next()
                    .expect("a value")
                    .parse::<f64>()
                    .expect("a number")
            })
            .sum()
    }
}
