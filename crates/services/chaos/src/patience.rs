//! Waiting, always with an end.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Asks until it is so.
///
/// # Errors
/// The last reason why not, when it isn't so in time.
pub async fn until<F>(within: Duration, what: &str, mut ask: impl FnMut() -> F) -> Result<()>
where
    F: Future<Output = Result<(), String>>,
{
    let deadline = Instant::now() + within;
    loop {
        let Err(reason) = ask().await else {
            return Ok(());
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
