//! The admin API on the ops listener: what operators do with subscribers.
//!
//! Every order is a POST with `content-type: application/json`, which no page in a browser can send
//! to another origin unasked.

mod orders;
mod parked;

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRef, FromRequestParts, RawPathParams, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::{get, post};
use callboard::log::Source;
use callboard::parking::Parking;
use callboard::pipeline::EventsPerSecond;
use callboard::{Position, error_chain};
use futures::future::BoxFuture;
use serde::Serialize;

use crate::edge::{Edge, Limits};
use crate::path::rejected;
use crate::problem::Problem;

/// A subscriber, as the admin API shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AdminSubscriber {
    /// Its log.
    pub log: String,
    /// Its name.
    pub name: String,
    /// `projection`, `process_manager` or `event_handler`.
    pub kind: String,
    /// `running`, `paused` or `halted`.
    pub state: String,
    /// Why it doesn't run.
    pub reason: Option<String>,
    /// Where this process gets its events from: `live`, `from_log`, `starting`, `halted` or `inline`;
    /// `None` when it doesn't run here.
    pub mode: Option<&'static str>,
    /// The last position that it has applied or parked; `None` before its first start.
    pub checkpoint: Option<Position>,
    /// How many events it is behind the head.
    pub lag_events: u64,
    /// How many events are parked.
    pub parked: u64,
    /// The most events in a second that an operator lets an event handler begin; `None` leaves its own
    /// limit, if it has any, in force.
    pub events_per_second: Option<EventsPerSecond>,
}

/// Why the admin API can't do what it is asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// The service hasn't come so far yet: retry later.
    #[error("the service is still starting")]
    Starting,
    /// Nobody has this name.
    #[error("there is no such subscriber")]
    NoSubscriber,
    /// It can't be done as things are; why not, for people.
    #[error("{0}")]
    Refused(String),
    /// Retry later.
    #[error("the subscribers can't be dealt with at present")]
    Unavailable(#[source] Source),
}

/// What a topology lets operators do. Dropping a future of these leaves an order done or not begun.
pub trait Administer: Send + Sync + 'static {
    /// Every subscriber of the logs of this process, by log and name.
    fn subscribers(&self) -> BoxFuture<'_, Result<Vec<AdminSubscriber>, AdminError>>;

    /// Pauses a subscriber for a reason.
    fn pause<'a>(&'a self, log: &'a str, name: &'a str, reason: &'a str) -> BoxFuture<'a, Result<(), AdminError>>;

    /// Lets a paused or halted subscriber go on.
    fn resume<'a>(&'a self, log: &'a str, name: &'a str) -> BoxFuture<'a, Result<(), AdminError>>;

    /// Orders an event handler's rate; `None` takes the order back.
    fn order_rate<'a>(
        &'a self,
        log: &'a str,
        name: &'a str,
        rate: Option<EventsPerSecond>,
    ) -> BoxFuture<'a, Result<(), AdminError>>;

    /// Ends the rebuild of a projection for good; what is read stays as it is.
    fn cancel_rebuild<'a>(&'a self, log: &'a str, name: &'a str) -> BoxFuture<'a, Result<(), AdminError>>;

    /// The parked events of a subscriber; `None` for whatever never parks.
    fn parking(&self, log: &str, name: &str) -> Option<Arc<dyn Parking>>;
}

#[derive(Clone)]
struct Admin {
    edge: Edge,
    administer: Arc<dyn Administer>,
}

impl FromRef<Admin> for Limits {
    fn from_ref(admin: &Admin) -> Self {
        Self::from_ref(&admin.edge)
    }
}

/// `GET /admin/subscribers`, and below each of them `pause`, `resume`, `rate`, `rebuild/cancel` and `parked`.
pub fn admin_routes(edge: &Edge, administer: Arc<dyn Administer>) -> Router {
    let one = "/admin/subscribers/{log}/{name}";
    Router::new()
        .route("/admin/subscribers", get(subscribers))
        .route(&format!("{one}/pause"), post(orders::pause))
        .route(&format!("{one}/resume"), post(orders::resume))
        .route(&format!("{one}/rate"), post(orders::rate))
        .route(&format!("{one}/rebuild/cancel"), post(orders::cancel_rebuild))
        .route(&format!("{one}/parked"), get(parked::list))
        .route(&format!("{one}/parked/retry"), post(parked::retry))
        .route(&format!("{one}/parked/discard"), post(parked::discard))
        .with_state(Admin {
            edge: edge.clone(),
            administer,
        })
}

/// The subscriber that the path names.
struct Named {
    log: String,
    name: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(rejected)?;
        let mut values = path.iter().map(|(_, value)| value.to_owned());
        let mut next = || values.next().expect("the route has both");
        Ok(Self {
            log: next(),
            name: next(),
        })
    }
}

async fn subscribers(State(admin): State<Admin>) -> Result<axum::Json<Vec<AdminSubscriber>>, Problem> {
    Ok(axum::Json(admin.administer.subscribers().await?))
}

impl Admin {
    async fn find(&self, log: &str, name: &str) -> Result<AdminSubscriber, Problem> {
        let all = self.administer.subscribers().await?;
        let found = all
            .iter()
            .find(|subscriber| subscriber.log == log && subscriber.name == name);
        found.cloned().ok_or_else(|| {
            let names: Vec<_> = all
                .iter()
                .map(|subscriber| format!("{}/{}", subscriber.log, subscriber.name))
                .collect();
            Problem::not_found(format!(
                "There is no subscriber {log}/{name}; there are: {}.",
                names.join(", ")
            ))
        })
    }
}

/// In a task of its own: a client that goes away must not cut off a transaction.
async fn to_the_end<T: Send + 'static>(
    order: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    tokio::spawn(order).await.unwrap_or_else(|error| {
        tracing::error!(%error, "an operator's order met a fault");
        Err(Problem::fault())
    })
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Starting => Self::unavailable("starting", "The service is still starting."),
            AdminError::NoSubscriber => Self::not_found("There is no such subscriber."),
            AdminError::Refused(reason) => Self::new(StatusCode::CONFLICT, "not-possible", reason),
            AdminError::Unavailable(_) => {
                tracing::warn!(error = error_chain(&error), "an operator can't be answered");
                Self::unavailable("unavailable", "The subscribers can't be dealt with at present.")
            }
        }
    }
}

fn has_no_rate(subscriber: &AdminSubscriber) -> Problem {
    let AdminSubscriber { log, name, kind, .. } = subscriber;
    let kind = kind.replace('_', " ");
    let detail = format!("{log}/{name} is a {kind}: only event handlers have a rate.");
    Problem::new(StatusCode::CONFLICT, "no-event-handler", detail)
}

fn never_parks(log: &str, name: &str) -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "never-parks",
        format!("{log}/{name} never parks: it halts at an event that it can't take."),
    )
}
