//! How far a log is published, and whose turn it is.

use callboard::log::Source;
use callboard::relay::{Published, RelayStore};
use callboard::{Log, Position};
use uuid::Uuid;

use crate::database::Database;

/// Stores what one log's relay must remember. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PgRelayStore {
    database: Database,
    log: &'static str,
}

impl PgRelayStore {
    /// The store of `L`'s relay.
    pub fn new<L: Log>(database: &Database) -> Self {
        Self {
            database: database.clone(),
            log: L::NAME,
        }
    }
}

impl RelayStore for PgRelayStore {
    async fn lease(&self, holder: Uuid) -> Result<bool, Source> {
        let work = sqlx::query(include_str!("../queries/lease_relay.sql"))
            .bind(self.log)
            .bind(holder)
            .execute(self.database.background());
        let leased = self.database.in_background(work).await?;
        Ok(leased.rows_affected() == 1)
    }

    async fn release(&self, holder: Uuid) -> Result<(), Source> {
        let work = sqlx::query(include_str!("../queries/release_relay.sql"))
            .bind(self.log)
            .bind(holder)
            .execute(self.database.background());
        self.database.in_background(work).await?;
        Ok(())
    }

    async fn published(&self) -> Result<Published, Source> {
        let work = sqlx::query_as(include_str!("../queries/read_published.sql"))
            .bind(self.log)
            .fetch_optional(self.database.background());
        let (position, generation): (i64, i64) = self.database.in_background(work).await?.unwrap_or_default();
        Ok(Published {
            position: Position::new(position.unsigned_abs()),
            generation: generation.unsigned_abs(),
        })
    }

    async fn advance(&self, from: Published, to: Position) -> Result<bool, Source> {
        let work = async {
            let mut connection = self.database.batches().take().await?;
            let moved = sqlx::query(include_str!("../queries/advance_relay.sql"))
                .bind(self.log)
                .bind(from.position.get().cast_signed())
                .bind(from.generation.cast_signed())
                .bind(to.get().cast_signed())
                .execute(&mut *connection)
                .await;
            connection.keep(moved.as_ref().err());
            moved
        };
        let moved = self.database.in_background(work).await?;
        Ok(moved.rows_affected() == 1)
    }
}
