//! Event handlers: each event at least once, of each stream in order, whatever fails.

mod batches;
mod failures;
mod lanes;
mod random;
mod replicas;
mod scripted;

use std::time::Duration;

use callboard::event_handler::testing::{Acknowledgement, DummyProducer};
use callboard::pipeline::Outcome;
use scripted::{Letters, Scripted};

/// Produces a letter for this stream.
async fn send(producer: &mut DummyProducer<Scripted>, stream: &str) -> Acknowledgement {
    producer.produce(stream, Letters::Sent { batch: None }).await
}

/// Awaits what must come soon. With paused time this costs no time.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(3_600), work)
        .await
        .expect("it comes within an hour of the test's time")
}

/// Waits until this many events are done and the checkpoint says so.
async fn stored(producer: &DummyProducer<Scripted>, position: u64) {
    soon(async {
        while producer.checkpoint().await.position.get() != position {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

fn handled(outcome: &Outcome) -> bool {
    *outcome == Outcome::Handled
}
