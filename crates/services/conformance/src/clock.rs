//! A clock for the daily cycle that a test sets.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use callboard::cycle::{Calendar, Clock, MissedDays};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// The clock of a deployment's hosts. Clones share it.
#[derive(Clone)]
pub struct HostClock(Arc<Mutex<Timestamp>>);

impl HostClock {
    /// It is noon of March 1, 2026, in UTC.
    ///
    /// # Panics
    /// Never: there is such a moment.
    pub fn new() -> Self {
        let noon = "2026-03-01T12:00:00Z".parse().expect("a moment");
        Self(Arc::new(Mutex::new(noon)))
    }

    /// Its date, in UTC.
    pub fn date(&self) -> Date {
        let now = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        now.to_zoned(TimeZone::UTC).date()
    }

    /// Sets it to noon of this date.
    ///
    /// # Panics
    /// When there is no such moment.
    pub fn set(&self, date: Date) {
        let noon = date.at(12, 0, 0, 0).in_tz("UTC").expect("a moment").timestamp();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = noon;
    }

    /// For services that go by this clock.
    pub fn shared(&self) -> Arc<dyn Clock> {
        let clock = self.0.clone();
        Arc::new(move || *clock.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How services go by it: they look at it all the time.
    pub fn calendar() -> Calendar {
        Calendar {
            zone: TimeZone::UTC,
            missed: MissedDays::Each,
            look_every: Duration::from_millis(50),
        }
    }
}

impl Default for HostClock {
    fn default() -> Self {
        Self::new()
    }
}
