//! A subscriber's parked events: list, retry, discard.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use callboard::Position;
use callboard::error_chain;
use callboard::parking::orders::{self, Choice, Discarded, OrderError, Retry};
use callboard::parking::{Cause, ParkedEvent, Parking, ParkingError};
use serde::Deserialize;

use super::{Admin, Named, never_parks, to_the_end};
use crate::body::JsonBody;
use crate::problem::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RetryBody {
    positions: Option<Vec<Position>>,
    cause: Option<Cause>,
    all: Option<bool>,
    #[serde(default)]
    dry_run: bool,
}

impl RetryBody {
    /// Exactly one of the three says which.
    fn choice(&self) -> Result<Choice, Problem> {
        match (&self.positions, self.cause, self.all) {
            (Some(positions), None, None) if !positions.is_empty() => Ok(Choice::At(positions.clone())),
            (None, Some(cause), None) => Ok(Choice::Cause(cause)),
            (None, None, Some(true)) => Ok(Choice::All),
            _ => Err(Problem::invalid(
                "invalid-body",
                "",
                "one of these says which: \"positions\": [a position …], \"cause\": \"failed\", \"undecodable\" or \
                 \"behind\", \"all\": true",
            )),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DiscardBody {
    position: Position,
    reason: String,
    #[serde(default)]
    dry_run: bool,
}

pub(super) async fn list(
    State(admin): State<Admin>,
    Named { log, name }: Named,
) -> Result<Json<Vec<ParkedEvent>>, Problem> {
    let parking = admin.parking(&log, &name).await?;
    Ok(Json(parking.list().await.map_err(OrderError::from)?))
}

pub(super) async fn retry(
    State(admin): State<Admin>,
    Named { log, name }: Named,
    JsonBody(body): JsonBody<RetryBody>,
) -> Result<Json<Retry>, Problem> {
    let choice = body.choice()?;
    to_the_end(async move {
        let parking = admin.parking(&log, &name).await?;
        Ok(Json(orders::retry(&*parking, &choice, body.dry_run).await?))
    })
    .await
}

pub(super) async fn discard(
    State(admin): State<Admin>,
    Named { log, name }: Named,
    JsonBody(body): JsonBody<DiscardBody>,
) -> Result<Json<Discarded>, Problem> {
    to_the_end(async move {
        let parking = admin.parking(&log, &name).await?;
        let discarded = orders::discard(&*parking, body.position, &body.reason, body.dry_run).await?;
        Ok(Json(discarded))
    })
    .await
}

impl Admin {
    async fn parking(&self, log: &str, name: &str) -> Result<Arc<dyn Parking>, Problem> {
        self.find(log, name).await?;
        self.administer.parking(log, name).ok_or_else(|| never_parks(log, name))
    }
}

impl From<OrderError> for Problem {
    fn from(error: OrderError) -> Self {
        let text = format!("{}.", error_chain(&error));
        match error {
            OrderError::NothingParked { .. } | OrderError::Parking(ParkingError::NotParked { .. }) => {
                Self::new(StatusCode::NOT_FOUND, "not-parked", text)
            }
            OrderError::NoReason => Self::invalid("invalid-body", "/reason", "must not be empty"),
            _ => {
                tracing::warn!(error = text, "an operator's order failed");
                Self::unavailable("unavailable", "The parked events can't be dealt with at present.")
            }
        }
    }
}
