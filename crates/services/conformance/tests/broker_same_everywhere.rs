//! The three topologies beside each other: the same commands, the same refusals, the same rows.

use conformance::answer::timeless;
use conformance::finance::{FINANCE, VIEWS};
use conformance::suite::PARTS;
use conformance::{System, Topology, Transcript};
use serde_json::Value;

/// Rows without those that many clients at once, or the service itself, gave their ids.
fn of_known_ids(rows: Vec<Value>) -> Value {
    let known = rows.into_iter().filter(|row| {
        let ids = row.as_object().expect("an object").values().filter_map(Value::as_str);
        let mut ids = ids.filter_map(|text| text.parse::<uuid::Uuid>().ok());
        ids.all(|id| (1..=5).contains(&id.as_u64_pair().0))
    });
    known.map(|row| without_times(&row)).collect()
}

/// A row with its ids, which are the same in each run.
fn without_times(row: &Value) -> Value {
    let mut row = row.clone();
    if let Some(at) = row.get_mut("granted_at") {
        *at = timeless(at);
    }
    row
}

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
    let head = system.api.events_of(FINANCE, 0).await.len() as u64;
    for (view, _) in VIEWS {
        let rows = system.api.list_of(FINANCE, &format!("/finance/{view}"), head).await;
        answers.found(*view, rows.len());
        answers.found("rows", of_known_ids(rows));
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
