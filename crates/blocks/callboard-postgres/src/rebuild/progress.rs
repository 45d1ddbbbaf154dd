//! How far a rebuild is.

use std::fmt;

use callboard::Position;
use serde::Serialize;
use sqlx::PgConnection;

/// A rebuild that is under way, paused or has failed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RebuildStatus {
    /// The VERSION that the table will have.
    pub version: i32,
    /// `running`, `paused` or `failed`.
    pub state: String,
    /// Why it doesn't run.
    pub reason: Option<String>,
    /// How far it is.
    pub position: Position,
    /// The log's head.
    pub head: Position,
    /// As measured lately.
    pub events_per_second: Option<f64>,
    /// How long it will take at that rate.
    pub seconds_left: Option<f64>,
}

/// A table that was replaced and can be put back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Replaced {
    /// The VERSION of its rows.
    pub version: i32,
    /// Its checkpoint.
    pub checkpoint: Position,
}

impl RebuildStatus {
    /// From the columns of `queries/read_rebuild.sql`.
    pub(crate) fn new(row: RebuildRow) -> Self {
        let (version, state, reason, position, events_per_second, head) = row;
        let mut status = Self {
            version,
            state,
            reason,
            position: Position::new(position.unsigned_abs()),
            head: Position::START,
            events_per_second,
            seconds_left: None,
        };
        status.aim_at(Position::new(head.unsigned_abs()));
        status
    }

    /// The head is here.
    pub(crate) fn aim_at(&mut self, head: Position) {
        self.head = head;
        let left = head.get().saturating_sub(self.position.get());
        let rate = self.events_per_second.filter(|rate| *rate > 0.0);
        self.seconds_left = rate.map(|rate| left as f64 / rate);
    }

    /// In percent.
    fn done(&self) -> u64 {
        match self.head.get() {
            0 => 100,
            head => (self.position.get().min(head) * 100) / head,
        }
    }
}

/// For people, e.g. `rebuilding to VERSION 2: 43 %, about 3 s left`.
impl fmt::Display for RebuildStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.state {
            "running" => write!(f, "rebuilding to VERSION {}: {} %", self.version, self.done())?,
            state => write!(
                f,
                "the rebuild to VERSION {} is {state} at {} %",
                self.version,
                self.done()
            )?,
        }
        match (&self.reason, self.seconds_left) {
            (Some(reason), _) => write!(f, ": {reason}"),
            (None, Some(seconds)) if self.state == "running" => write!(f, ", about {} s left", seconds.ceil()),
            _ => Ok(()),
        }
    }
}

/// A row of `queries/read_rebuild.sql`.
pub(crate) type RebuildRow = (i32, String, Option<String>, i64, Option<f64>, i64);

/// The rebuild of a subscriber, if there is one.
pub(crate) async fn rebuild_of(
    connection: &mut PgConnection,
    log: &str,
    name: &str,
) -> Result<Option<RebuildStatus>, sqlx::Error> {
    let row: Option<RebuildRow> = sqlx::query_as(include_str!("../../queries/read_rebuild.sql"))
        .bind(log)
        .bind(name)
        .fetch_optional(connection)
        .await?;
    Ok(row.map(RebuildStatus::new))
}
