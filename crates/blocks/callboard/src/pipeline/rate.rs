//! How often events may be handled.

use std::time::Duration;

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

/// A limit that may be changed while the pipeline runs. Clones share it.
#[derive(Debug, Clone)]
pub struct Rate(watch::Sender<Option<RateLimit>>);

impl Rate {
    /// As often as can be.
    pub fn unlimited() -> Self {
        Self(watch::Sender::new(None))
    }

    /// So many `events` in a time `per`, all of them at once if they come so.
    pub fn limited(events: u32, per: Duration) -> Self {
        Self(watch::Sender::new(Some(RateLimit { events, per })))
    }

    /// From now on this limit counts; `None` lifts it.
    pub fn set(&self, limit: Option<RateLimit>) {
        self.0.send_replace(limit);
    }

    pub(super) fn changes(&self) -> watch::Receiver<Option<RateLimit>> {
        self.0.subscribe()
    }
}

impl Default for Rate {
    fn default() -> Self {
        Self::unlimited()
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
    use super::{Bucket, Duration, Instant, RateLimit};

    const SECOND: Duration = Duration::from_secs(1);

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
    }
}
