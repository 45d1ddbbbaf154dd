//! Rests, so that queries find processors free while a rebuild runs.

use std::time::Duration;

use tokio::time::Instant;

use crate::database::Database;

/// So long after a view was read the next query is expected.
const READ_WITHIN: Duration = Duration::from_secs(1);

/// How long a rest is, to a time of work: a million events still take seconds, and most queries don't
/// meet the work.
const REST: f64 = 0.5;

/// Shorter ones are put together: a timer counts milliseconds.
const SHORTEST: Duration = Duration::from_millis(2);

/// How a transaction of a rebuild shares the machine with others.
pub(super) struct Pace {
    /// Whose queries are to find processors free; `None` for a transaction that somebody waits for.
    beside: Option<Database>,
    since: Instant,
    owed: Duration,
}

impl Pace {
    /// Rests while views of this database are being read in this process.
    pub(super) fn beside(database: &Database) -> Self {
        Self {
            beside: Some(database.clone()),
            ..Self::without_rest()
        }
    }

    /// Leaves the thread to others in between, but never rests.
    pub(super) fn without_rest() -> Self {
        Self {
            beside: None,
            since: Instant::now(),
            owed: Duration::ZERO,
        }
    }

    /// Whether others are expected to need the processors.
    pub(super) fn is_beside_queries(&self) -> bool {
        let beside = self.beside.as_ref();
        beside.is_some_and(|database| database.were_views_read_within(READ_WITHIN))
    }

    /// Between two pieces of work.
    pub(super) async fn breathe(&mut self) {
        if self.is_beside_queries() {
            self.owed += self.since.elapsed().mul_f64(REST);
        }
        if self.owed < SHORTEST {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(std::mem::take(&mut self.owed)).await;
        }
        self.since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::DatabaseConfig;

    async fn rest_after(pace: &mut Pace, work: Duration) -> Duration {
        tokio::time::advance(work).await;
        let begun = Instant::now();
        pace.breathe().await;
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_rebuild_rests_while_views_are_being_read_and_only_then() {
        let (work, rest) = (Duration::from_millis(100), Duration::from_millis(50));
        let database = Database::new(DatabaseConfig::new("postgres://127.0.0.1/none")).expect("a URL");
        let mut beside = Pace::beside(&database);
        assert_eq!(rest_after(&mut beside, work).await, Duration::ZERO);
        let _ = database.for_view();
        assert_eq!(rest_after(&mut beside, work).await, rest);
        assert_eq!(rest_after(&mut beside, work).await, rest);
        assert_eq!(rest_after(&mut Pace::without_rest(), work).await, Duration::ZERO);
        assert_eq!(rest_after(&mut beside, READ_WITHIN).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn rests_that_are_too_short_for_a_timer_are_put_together() {
        let database = Database::new(DatabaseConfig::new("postgres://127.0.0.1/none")).expect("a URL");
        let mut pace = Pace::beside(&database);
        let _ = database.for_view();
        let work = Duration::from_millis(1);
        let mut rests = Vec::new();
        for _ in 0..4 {
            rests.push(rest_after(&mut pace, work).await);
        }
        assert_eq!(rests[..3], [Duration::ZERO; 3]);
        assert_eq!(rests[3], SHORTEST);
    }
}
