//! Event handlers: each event at least once, of each stream in order, whatever fails.

mod batches;
mod failures;
mod lanes;
mod random;
mod rates;
mod replicas;
mod scripted;
mod support;
mod telemetry;

use callboard::event_handler::testing::{Acknowledgement, DummyProducer};
use callboard::pipeline::Outcome;
use scripted::{Letters, Scripted};
use support::{soon, stored};

/// Produces a letter for this stream.
async fn send(producer: &mut DummyProducer<Scripted>, stream: &str) -> Acknowledgement {
    producer.produce(stream, Letters::Sent { batch: None }).await
}

fn handled(outcome: &Outcome) -> bool {
    *outcome == Outcome::Handled
}
