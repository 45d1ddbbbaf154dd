//! Waiting, always with an end.

use std::time::{Duration, Instant};

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// `future` within the tests' patience.
///
/// # Panics
/// When it takes longer.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}

/// Asks until there is an answer.
///
/// # Panics
/// When there is none within the tests' patience.
pub async fn eventually<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, what, ask).await
}

/// As [`eventually`], with a deadline of its own.
///
/// # Panics
/// When there is no answer in time.
pub async fn within<T>(patience: Duration, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {patience:?}: {what}");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// A seed for random cases: `CALLBOARD_SEED`, or a fresh one. Printed, so that a failure can be repeated.
///
/// # Panics
/// When `CALLBOARD_SEED` is no number.
pub fn seed() -> u64 {
    let given = std::env::var("CALLBOARD_SEED").ok();
    given.map_or_else(
        || uuid::Uuid::new_v4().as_u64_pair().0,
        |text| text.parse().expect("CALLBOARD_SEED is a number"),
    )
}
