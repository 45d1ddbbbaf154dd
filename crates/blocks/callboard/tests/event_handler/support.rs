//! Waiting on a paused clock, where it takes no time.

use std::time::Duration;

use callboard::event_handler::testing::DummyProducer;

use crate::scripted::Scripted;

/// Lets the test's time pass.
pub async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Awaits what must come soon. With paused time this costs no time.
pub async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(3_600), work)
        .await
        .expect("it comes within an hour of the test's time")
}

/// Waits until this many events are done and the checkpoint says so.
pub async fn stored(producer: &DummyProducer<Scripted>, position: u64) {
    soon(async {
        while producer.checkpoint().await.position.get() != position {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
