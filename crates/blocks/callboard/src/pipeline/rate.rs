//! How often events may be handled.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;

/// So many events in so much time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateLimit {
    /// How many events. At least 1.
    pub events: u32,
    /// In how much time. More than zero.
    pub per: Duration,
}

impl RateLimit {
    fn per_second(self) -> f64 {
        f64::from(self.events.max(1)) / self.per.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// How many events an operator lets a handler begin in a second: 1 to [`EventsPerSecond::MOST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "u32")]
pub struct EventsPerSecond(u32);

/// What is no number of events per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("events per second are a whole number from 1 to {}", EventsPerSecond::MOST)]
pub struct InvalidRate;

impl EventsPerSecond {
    /// More than any handler does.
    pub const MOST: u32 = 1_000_000;

    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<i64> for EventsPerSecond {
    type Error = InvalidRate;

    fn try_from(number: i64) -> Result<Self, InvalidRate> {
        let number = u32::try_from(number).map_err(|_| InvalidRate)?;
        if (1..=Self::MOST).contains(&number) {
            Ok(Self(number))
        } else {
            Err(InvalidRate)
        }
    }
}

impl FromStr for EventsPerSecond {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Self, InvalidRate> {
        text.parse::<i64>().map_err(|_| InvalidRate)?.try_into()
    }
}

impl From<EventsPerSecond> for u32 {
    fn from(rate: EventsPerSecond) -> Self {
        rate.0
    }
}

impl From<EventsPerSecond> for RateLimit {
    fn from(rate: EventsPerSecond) -> Self {
        Self {
            events: rate.0,
            per: Duration::from_secs(1),
        }
    }
}

impl fmt::Display for EventsPerSecond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A limit that may be changed while the pipeline runs. Clones share it.
#[derive(Debug, Clone)]
pub struct Rate(watch::Sender<Option<RateLimit>>);

impl Rate {
    /// As often as can be.
    pub fn unlimited() -> Self {
        Self::of(None)
    }

    pub(super) fn of(limit: Option<RateLimit>) -> Self {
        Self(watch::Sender::new(limit))
    }

    /// So many `events` in a time `per`, all of them at once if they come so.
    pub fn limited(events: u32, per: Duration) -> Self {
        Self::of(Some(RateLimit { events, per }))
    }

    /// From now on this limit counts; `None` lifts it.
    pub fn set(&self, limit: Option<RateLimit>) {
        self.0.send_if_modified(|now| {
            let changed = *now != limit;
            *now = limit;
            changed
        });
    }

    fn changes(&self) -> watch::Receiver<Option<RateLimit>> {
        self.0.subscribe()
    }
}

impl Default for Rate {
    fn default() -> Self {
        Self::unlimited()
    }
}

/// Both limits of a pipeline: the handler's own, and what an operator has ordered instead.
#[derive(Debug)]
pub(super) struct Limits {
    own: watch::Receiver<Option<RateLimit>>,
    ordered: watch::Receiver<Option<RateLimit>>,
}

impl Limits {
    pub(super) fn new(own: &Rate, ordered: &Rate) -> Self {
        Self {
            own: own.changes(),
            ordered: ordered.changes(),
        }
    }

    /// The one that counts: an operator's order, where there is one.
    pub(super) fn now(&self, subscriber: &'static str) -> Option<RateLimit> {
        let limit = self.ordered.borrow().or(*self.own.borrow());
        // 0 says that there is none.
        let shown = limit.map_or(0.0, RateLimit::per_second);
        metrics::gauge!("callboard_handler_rate_limit", "subscriber" => subscriber).set(shown);
        limit
    }

    /// Waits until one of them is changed. Dropping the future loses nothing.
    pub(super) async fn changed(&mut self) {
        tokio::select! {
            Ok(()) = self.own.changed() => {}
            Ok(()) = self.ordered.changed() => {}
            // Nobody can change them any more.
            else => std::future::pending().await,
        }
    }
}

/// A bucket of tokens, one for each event, that fills up at the limit's rate.
#[derive(Debug)]
pub(super) struct Bucket {
    limit: Option<RateLimit>,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    pub(super) fn new(limit: Option<RateLimit>, now: Instant) -> Self {
        let tokens = limit.map_or(0.0, |limit| f64::from(limit.events.max(1)));
        Self { limit, tokens, at: now }
    }

    /// From now on this limit counts; what was saved up or owed stays, within the new limit.
    pub(super) fn set(&mut self, limit: Option<RateLimit>, now: Instant) {
        self.refill(now);
        if self.limit.is_none() {
            self.tokens = limit.map_or(0.0, |limit| f64::from(limit.events.max(1)));
        }
        self.limit = limit;
        self.refill(now);
    }

    /// When `events` may be handled: now, or a moment to come.
    pub(super) fn ready_at(&mut self, events: usize, now: Instant) -> Instant {
        self.refill(now);
        let Some(limit) = self.limit else { return now };
        // More than the bucket holds are handled when it is full, and are owed afterwards.
        let wanted = (events as f64).min(f64::from(limit.events.max(1)));
        let missing = wanted - self.tokens;
        if missing <= 0.0 {
            return now;
        }
        // Rounded up, so that they are there when it wakes.
        now + limit.per.mul_f64(missing / f64::from(limit.events.max(1))) + Duration::from_nanos(1_000)
    }

    /// Takes tokens for `events`.
    pub(super) fn take(&mut self, events: usize) {
        if self.limit.is_some() {
            self.tokens -= events as f64;
        }
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at);
        self.at = now;
        if let Some(limit) = self.limit {
            let most = f64::from(limit.events.max(1));
            let per = limit.per.as_secs_f64().max(f64::MIN_POSITIVE);
            self.tokens = (self.tokens + most * passed.as_secs_f64() / per).min(most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Bucket, Duration, EventsPerSecond, Instant, InvalidRate, RateLimit};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_operators_rate_is_a_whole_number_of_1_to_a_million() {
        for (text, number) in [("1", 1), ("1000000", 1_000_000)] {
            assert_eq!(text.parse::<EventsPerSecond>().map(EventsPerSecond::get), Ok(number));
            assert_eq!(
                serde_json::from_str::<EventsPerSecond>(text).expect("a rate").get(),
                number
            );
        }
        for text in ["0", "-1", "1000001", "1.5", "99999999999999999999", "", "many"] {
            assert_eq!(text.parse::<EventsPerSecond>(), Err(InvalidRate), "{text:?}");
            assert!(serde_json::from_str::<EventsPerSecond>(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_bucket_gives_what_it_holds_and_then_what_flows_in() {
        let start = Instant::now();
        let limit = RateLimit {
            events: 10,
            per: SECOND,
        };
        let mut bucket = Bucket::new(Some(limit), start);
        assert_eq!(bucket.ready_at(10, start), start);
        bucket.take(10);
        let next = bucket.ready_at(1, start) - start;
        assert!(next >= SECOND / 10 && next < SECOND / 9, "{next:?}");
        assert_eq!(bucket.ready_at(10, start + 5 * SECOND), start + 5 * SECOND);
        bucket.take(25);
        let next = bucket.ready_at(1, start + 5 * SECOND) - start;
        assert!(next > 6 * SECOND + SECOND / 2, "what is owed is paid first: {next:?}");
    }

    #[test]
    fn a_limit_is_changed_and_lifted() {
        let start = Instant::now();
        let mut bucket = Bucket::new(
            Some(RateLimit {
                events: 1,
                per: 60 * SECOND,
            }),
            start,
        );
        bucket.take(1);
        assert!(bucket.ready_at(1, start) > start + 59 * SECOND);
        bucket.set(Some(RateLimit { events: 1, per: SECOND }), start);
        let next = bucket.ready_at(1, start) - start;
        assert!(next <= SECOND + SECOND / 10, "{next:?}");
        bucket.set(None, start);
        assert_eq!(bucket.ready_at(1_000, start), start);
        let limit = RateLimit {
            events: 10,
            per: SECOND,
        };
        bucket.set(Some(limit), start);
        assert_eq!(bucket.ready_at(10, start), start, "a limit begins with a full bucket");
    }
}
