//! An event handler's registration, checkpoint, claims and parked events.

use callboard::event_handler::{Claim, EventHandler, EventHandlerStore, LEASE, LaneParked, Moved, ParkLane, Role};
use callboard::log::Source;
use callboard::parking::{Block, PARKED_MOST, ParkedEvent};
use callboard::pipeline::EventsPerSecond;
use callboard::process_manager::Registration;
use callboard::{Checkpoint, Position};
use sqlx::Connection;
use uuid::Uuid;

use crate::database::Database;
use crate::halt::Halt;
use crate::projection::parked_rows::{self, Named, number};
use crate::projection::registration;
use crate::status::rate;

/// Stores one event handler. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PgEventHandlerStore {
    database: Database,
    log: &'static str,
    name: &'static str,
}

impl PgEventHandlerStore {
    /// The store of `H`.
    pub fn new<H: EventHandler>(database: &Database) -> Self {
        Self {
            database: database.clone(),
            log: <H::Log as callboard::Log>::NAME,
            name: H::NAME,
        }
    }

    fn named(&self) -> Named<'static> {
        (self.log, self.name)
    }

    async fn unpark_one(&self, position: Position) -> Result<(), sqlx::Error> {
        let mut connection = self.database.background().acquire().await?;
        let mut transaction = connection.begin().await?;
        parked_rows::lock(&mut transaction, self.named()).await?;
        parked_rows::unpark(&mut transaction, self.named(), &[position]).await?;
        transaction.commit().await
    }
}

impl EventHandlerStore for PgEventHandlerStore {
    async fn load(&self) -> Result<Registration, Source> {
        registration(&self.database, self.log, self.name).await
    }

    async fn register(&self, at: Checkpoint) -> Result<(), Source> {
        let work = sqlx::query(include_str!("../queries/register_event_handler.sql"))
            .bind(self.log)
            .bind(self.name)
            .bind(number(at.position))
            .bind(at.event_id)
            .execute(self.database.background());
        self.database.in_background(work).await?;
        Ok(())
    }

    async fn claim(&self, role: Role, holder: Uuid, wants: bool) -> Result<Claim, Source> {
        let work = sqlx::query_as(include_str!("../queries/claim_event_handler.sql"))
            .bind(self.log)
            .bind(self.name)
            .bind(role.as_str())
            .bind(holder)
            .bind(LEASE.as_secs_f64())
            .bind(wants)
            .fetch_one(self.database.background());
        let (outcome, reason): (String, Option<String>) = self.database.in_background(work).await?;
        Ok(match &*outcome {
            "standby" => Claim::StandBy(reason.unwrap_or(outcome)),
            "elsewhere" => Claim::Elsewhere,
            held => Claim::Held {
                wanted: held == "wanted",
            },
        })
    }

    async fn rate(&self) -> Result<Option<EventsPerSecond>, Source> {
        let work = sqlx::query_scalar(include_str!("../queries/read_handler_rate.sql"))
            .bind(self.log)
            .bind(self.name)
            .fetch_optional(self.database.background());
        let stored: Option<Option<i32>> = self.database.in_background(work).await?;
        Ok(stored.flatten().and_then(rate))
    }

    async fn release(&self, role: Role, holder: Uuid) -> Result<(), Source> {
        let work = sqlx::query(include_str!("../queries/release_event_handler.sql"))
            .bind(self.log)
            .bind(self.name)
            .bind(role.as_str())
            .bind(holder)
            .execute(self.database.background());
        self.database.in_background(work).await?;
        Ok(())
    }

    async fn advance(&self, holder: Uuid, from: Checkpoint, to: Checkpoint) -> Result<Moved, Source> {
        let work = sqlx::query_as(include_str!("../queries/advance_event_handler.sql"))
            .bind(self.log)
            .bind(self.name)
            .bind(holder)
            .bind(number(from.position))
            .bind(from.event_id)
            .bind(number(to.position))
            .bind(to.event_id)
            .fetch_one(self.database.background());
        type Row = (String, Option<i64>, Option<Uuid>);
        let (outcome, position, event_id): Row = self.database.in_background(work).await?;
        let at = position
            .zip(event_id)
            .map_or(Checkpoint::START, |(position, event_id)| Checkpoint {
                position: Position::new(position.unsigned_abs()),
                event_id,
            });
        Ok(match &*outcome {
            "done" => Moved::Done,
            "elsewhere" => Moved::Elsewhere(at),
            _ => Moved::Lost,
        })
    }

    async fn park(&self, holder: Uuid, lane: &ParkLane) -> Result<LaneParked, Source> {
        let events = &lane.events;
        let work = sqlx::query_scalar(include_str!("../queries/park_lane.sql"))
            .bind(self.log)
            .bind(self.name)
            .bind(holder)
            .bind(lane.stream.as_str())
            .bind(Block::stream(&lane.stream).as_str().to_owned())
            .bind(events.iter().map(|event| number(event.position)).collect::<Vec<_>>())
            .bind(events.iter().map(|event| event.cause.as_str()).collect::<Vec<_>>())
            .bind(events.iter().map(|event| &*event.reason).collect::<Vec<_>>())
            .bind(i64::try_from(PARKED_MOST)?)
            .fetch_one(self.database.background());
        let outcome: String = self.database.in_background(work).await?;
        Ok(match &*outcome {
            "done" => LaneParked::Done,
            "free" => LaneParked::Free,
            "too_many" => LaneParked::TooMany,
            _ => LaneParked::Lost,
        })
    }

    async fn parked(&self) -> Result<Vec<ParkedEvent>, Source> {
        let work = async { parked_rows::list(&mut *self.database.background().acquire().await?, self.named()).await };
        Ok(self.database.in_background(work).await?)
    }

    async fn count_parked(&self) -> Result<(u64, Position), Source> {
        let work = async { parked_rows::count(&mut *self.database.background().acquire().await?, self.named()).await };
        Ok(self.database.in_background(work).await?)
    }

    async fn unpark(&self, position: Position) -> Result<(), Source> {
        Ok(self.database.in_background(self.unpark_one(position)).await?)
    }

    async fn note_failed_retry(&self, position: Position, reason: &str) -> Result<(), Source> {
        parked_rows::note_failure(&self.database, self.named(), position, reason).await
    }

    async fn discard(&self, position: Position, because: &str) -> Result<Option<ParkedEvent>, Source> {
        parked_rows::discard_locked(&self.database, self.named(), position, because).await
    }

    async fn halt(&self, reason: &str) -> Result<(), Source> {
        let halt = Halt {
            database: &self.database,
            log: self.log,
            name: self.name,
        };
        halt.halt(None, reason).await
    }
}
