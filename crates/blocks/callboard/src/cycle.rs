//! The daily cycle: one command for each calendar date of a time zone, exactly once.
//!
//! [`due`] is the whole schedule, as a pure function. [`Cycler`] looks at the start and then once an
//! hour, and sends what is due. That each date is cycled once is not its business: the command is
//! refused unless its date is newer than the last, on a serializable log, so any number of replicas
//! may try, and a clock that is wrong can repeat nothing.

mod cycler;
#[cfg(test)]
mod tests;

pub use cycler::{CycleError, Cycler};

use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, ready};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::command::Command;
use crate::event::Log;
use crate::log::Source;

/// Who a daily cycle is in the metadata of its events: no client may have this id.
pub const ACTOR: &str = "cycle";

/// A command that a daily cycle sends: it is refused unless its date is newer than the last.
pub trait Cycle: Command {
    /// The command for this date. All dates have the same stream.
    fn on(date: Date) -> Self;

    /// The date that an event of that stream says was cycled; `None` for other events.
    fn date_of(event: &<Self::Log as Log>::Event) -> Option<Date>;
}

/// Tells the time. A function or closure that returns it is one. Replicas of one log should share a
/// clock, that of its database: a date that a fast clock has begun early is begun for all of them.
pub trait Clock: Send + Sync + 'static {
    /// The time now. Dropping the future is safe.
    ///
    /// # Errors
    /// When the clock can't be reached.
    fn now(&self) -> BoxFuture<'_, Result<Timestamp, Source>>;
}

impl<F: Fn() -> Timestamp + Send + Sync + 'static> Clock for F {
    fn now(&self) -> BoxFuture<'_, Result<Timestamp, Source>> {
        ready(Ok(self())).boxed()
    }
}

/// What becomes of the dates that nobody was there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissedDays {
    /// Each is cycled, in order.
    #[default]
    Each,
    /// Only the newest is; those between are never cycled.
    Newest,
}

/// How long after the end of a look the next one begins.
pub const LOOK_EVERY: Duration = Duration::from_secs(60 * 60);

/// Where and how dates are counted. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Calendar {
    /// Whose dates they are.
    pub zone: TimeZone,
    /// What becomes of missed dates.
    pub missed: MissedDays,
    /// How long after the end of a look the next one begins: [`LOOK_EVERY`].
    pub look_every: Duration,
}

/// The dates to cycle now, oldest first, when `newest` is the newest that was.
///
/// At the first start ever (`None`) it is today alone; nothing when the clock stands before the
/// newest date. A date that the zone skipped never was, and is not cycled.
pub fn due(zone: &TimeZone, newest: Option<Date>, now: Timestamp, missed: MissedDays) -> Vec<Date> {
    let today = now.to_zoned(zone.clone()).date();
    match (newest, missed) {
        (Some(newest), _) if newest >= today => Vec::new(),
        (Some(newest), MissedDays::Each) => {
            let behind = std::iter::successors(newest.tomorrow().ok(), |date| date.tomorrow().ok());
            behind
                .take_while(|date| *date <= today)
                .filter(|date| was_there(zone, *date))
                .collect()
        }
        (None, _) | (Some(_), MissedDays::Newest) => vec![today],
    }
}

/// Whether the zone ever had this date: when a place changes the side of the date line, it skips one.
fn was_there(zone: &TimeZone, date: Date) -> bool {
    // Midnight may not exist where the clocks are set forward; then the day begins behind the gap.
    // Where the gap takes all of the day, what begins there is the next one.
    let begins = date.to_zoned(zone.clone());
    begins.is_ok_and(|begins| begins.date() == date)
}
