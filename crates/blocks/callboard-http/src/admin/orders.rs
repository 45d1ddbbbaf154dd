//! Pausing and resuming, the rate of event handlers, and rebuilds that nobody wants any more.

use axum::Json;
use axum::extract::State;
use callboard::pipeline::EventsPerSecond;
use serde::{Deserialize, Serialize};

use super::{Admin, AdminSubscriber, Named, has_no_rate, to_the_end};
use crate::body::JsonBody;
use crate::problem::Problem;

/// What is said where no reason is given.
const BY_AN_OPERATOR: &str = "paused by an operator";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pause {
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resume {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelRebuild {}

#[derive(Serialize)]
pub(super) struct Cancelled {
    log: String,
    name: String,
    rebuild: &'static str,
}

#[derive(Serialize)]
pub(super) struct Changed {
    log: String,
    name: String,
    from: String,
    to: &'static str,
}

pub(super) async fn pause(
    State(admin): State<Admin>,
    Named { log, name }: Named,
    JsonBody(Pause { reason }): JsonBody<Pause>,
) -> Result<Json<Changed>, Problem> {
    let reason = reason.unwrap_or_else(|| BY_AN_OPERATOR.into());
    let reason = reason.trim().to_owned();
    if reason.is_empty() {
        return Err(Problem::invalid("invalid-body", "/reason", "must not be empty"));
    }
    to_the_end(async move {
        let found = admin.find(&log, &name).await?;
        admin.administer.pause(&log, &name, &reason).await?;
        Ok(changed(found, "paused"))
    })
    .await
}

pub(super) async fn resume(
    State(admin): State<Admin>,
    Named { log, name }: Named,
    JsonBody(Resume {}): JsonBody<Resume>,
) -> Result<Json<Changed>, Problem> {
    to_the_end(async move {
        let found = admin.find(&log, &name).await?;
        admin.administer.resume(&log, &name).await?;
        Ok(changed(found, "running"))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rate {
    // Said by name: a field that is left out would be taken for `null`.
    #[serde(deserialize_with = "Option::deserialize")]
    events_per_second: Option<EventsPerSecond>,
}

#[derive(Serialize)]
pub(super) struct RateChanged {
    log: String,
    name: String,
    from: Option<EventsPerSecond>,
    to: Option<EventsPerSecond>,
}

pub(super) async fn rate(
    State(admin): State<Admin>,
    Named { log, name }: Named,
    JsonBody(Rate { events_per_second: to }): JsonBody<Rate>,
) -> Result<Json<RateChanged>, Problem> {
    to_the_end(async move {
        let found = admin.find(&log, &name).await?;
        if found.kind != "event_handler" {
            return Err(has_no_rate(&found));
        }
        admin.administer.order_rate(&log, &name, to).await?;
        let from = found.events_per_second;
        Ok(Json(RateChanged { log, name, from, to }))
    })
    .await
}

pub(super) async fn cancel_rebuild(
    State(admin): State<Admin>,
    Named { log, name }: Named,
    JsonBody(CancelRebuild {}): JsonBody<CancelRebuild>,
) -> Result<Json<Cancelled>, Problem> {
    to_the_end(async move {
        admin.find(&log, &name).await?;
        admin.administer.cancel_rebuild(&log, &name).await?;
        let rebuild = "cancelled";
        Ok(Json(Cancelled { log, name, rebuild }))
    })
    .await
}

fn changed(found: AdminSubscriber, to: &'static str) -> Json<Changed> {
    Json(Changed {
        log: found.log,
        name: found.name,
        from: found.state,
        to,
    })
}
