//! That a subscriber has halted, as its row says.

use callboard::log::Source;
use callboard::{Log, Position, Projection};

use crate::database::Database;

/// The row of one subscriber.
pub(crate) struct Halt<'a> {
    pub(crate) database: &'a Database,
    pub(crate) log: &'static str,
    pub(crate) name: &'static str,
}

impl<'a> Halt<'a> {
    pub(crate) fn of<P: Projection>(database: &'a Database) -> Self {
        Self {
            database,
            log: P::Log::NAME,
            name: P::NAME,
        }
    }

    /// Stores that it has halted; `unknown` is the event that its code doesn't know, if that is why.
    pub(crate) async fn halt(&self, unknown: Option<Position>, reason: &str) -> Result<(), Source> {
        let work = sqlx::query(include_str!("../queries/halt_subscriber.sql"))
            .bind(self.log)
            .bind(self.name)
            .bind(reason)
            .bind(unknown.map(|position| position.get().cast_signed()))
            .execute(self.database.background());
        self.database.in_background(work).await?;
        Ok(())
    }

    /// The event that it has halted at because the code of then didn't know it.
    pub(crate) async fn at_unknown(&self) -> Result<Option<Position>, Source> {
        let work = sqlx::query_scalar(include_str!("../queries/read_halted_at_unknown.sql"))
            .bind(self.log)
            .bind(self.name)
            .fetch_optional(self.database.background());
        let position: Option<i64> = self.database.in_background(work).await?;
        Ok(position.map(i64::unsigned_abs).map(Position::new))
    }

    /// Resumes it, if it is still halted there for that.
    pub(crate) async fn resume_at_unknown(&self, position: Position) -> Result<(), Source> {
        let work = sqlx::query(include_str!("../queries/resume_at_unknown.sql"))
            .bind(self.log)
            .bind(self.name)
            .bind(position.get().cast_signed())
            .execute(self.database.background());
        self.database.in_background(work).await?;
        Ok(())
    }
}
