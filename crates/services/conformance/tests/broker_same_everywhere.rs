//! The three topologies beside each other: the same commands, the same refusals, the same rows.

use conformance::answer::timeless;
use conformance::suite::PARTS;
use conformance::{System, Topology, Transcript};
use serde_json::Value;

/// Everything that a system answers, and what it holds in the end.
async fn outcome(topology: Topology) -> Transcript {
    let system = System::start(topology).await;
    let mut answers = Transcript::new();
    for (name, part) in PARTS {
        answers.append(name, part(&system).await);
    }
    let events = system.api.events(0).await;
    for path in ["/warehouse/products", "/warehouse/low_stock"] {
        let rows = system.api.list(path, events.len() as u64).await;
        answers.found(path, timeless(&rows.into()));
    }
    // What many clients do at once comes in any order, but not within a product.
    let mut streams: Vec<Value> = events;
    streams.sort_by_key(|event| {
        let version = event["version"].as_u64();
        (event["stream"].as_str().expect("text").to_owned(), version)
    });
    for event in &mut streams {
        let fields = event.as_object_mut().expect("an object");
        fields.remove("position");
        answers.found("an event", timeless(event));
    }
    system.stop().await;
    answers
}

#[tokio::test]
async fn the_three_topologies_accept_refuse_and_show_the_same() {
    let (embedded, inline, brokered) = tokio::join!(
        outcome(Topology::Embedded),
        outcome(Topology::Inline),
        outcome(Topology::Brokered),
    );
    assert!(embedded.len() > 500, "only {} answers are compared", embedded.len());
    embedded.assert_same(&inline, "inline");
    embedded.assert_same(&brokered, "brokered");
}
