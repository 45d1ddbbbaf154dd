//! When something happened the last time, noted by many at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

pub(crate) struct Lately {
    begun: Instant,
    /// Milliseconds after `begun`, from 1 on; 0 for never.
    last: AtomicU64,
}

impl Lately {
    pub(crate) fn never() -> Self {
        Self {
            begun: Instant::now(),
            last: AtomicU64::new(0),
        }
    }

    /// It happens.
    pub(crate) fn now(&self) {
        self.last.store(self.elapsed(), Ordering::Relaxed);
    }

    /// Whether it happened less than this long ago.
    pub(crate) fn was_within(&self, time: Duration) -> bool {
        let last = self.last.load(Ordering::Relaxed);
        last > 0 && u128::from(self.elapsed().saturating_sub(last)) < time.as_millis()
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).map_or(u64::MAX, |elapsed| elapsed + 1)
    }
}
