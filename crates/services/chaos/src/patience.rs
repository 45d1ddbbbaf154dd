//! Waiting, always with an end.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Asks until there is an answer.
///
/// # Errors
/// The last reason why not, when there is none in time.
pub async fn until<T, F>(within: Duration, what: &str, mut ask: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T, String>>,
{
    let deadline = Instant::now() + within;
    loop {
        let reason = match ask().await {
            Ok(answer) => return Ok(answer),
            Err(reason) => reason,
        };
        if Instant::now() >= deadline {
            bail!("not within {} s: {what}: {reason}", within.as_secs());
        }
        pause(Duration::from_millis(25)).await;
    }
}

/// Lets time pass: what happens meanwhile is what a run is about.
pub async fn pause(how_long: Duration) {
    tokio::time::sleep(how_long).await;
}
