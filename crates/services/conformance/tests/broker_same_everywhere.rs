//! The three topologies beside each other: the same commands, the same refusals, the same rows.

use std::collections::BTreeMap;

use conformance::answer::timeless;
use conformance::finance::VIEWS;
use conformance::suite::PARTS;
use conformance::{System, Topology, Transcript, Who};
use serde_json::Value;
use uuid::Uuid;

/// What many clients do at once comes out otherwise each time; this is whose ids they give.
const TOGETHER: u64 = 6;

/// Of each organisation somebody who sees its board.
const BOARDS: [&str; 4] = ["acme", "bolt", "crew", ""];

fn id_in(text: &str) -> Option<Uuid> {
    // A stream's name ends with it.
    let behind = text.len().checked_sub(36)?;
    text.get(behind..)?.parse().ok()
}

/// Whether it names what many clients at once were at.
fn is_of_many(value: &Value) -> bool {
    match value {
        Value::String(text) => id_in(text).is_some_and(|id| id.as_u64_pair().0 == TOGETHER),
        Value::Array(values) => values.iter().any(is_of_many),
        Value::Object(fields) => fields.values().any(is_of_many),
        _ => false,
    }
}

/// A value with the ids that clients gave, which are the same in each run, and without those that the
/// service made, and times.
fn comparable(value: &Value) -> Value {
    match value {
        Value::String(text) => match id_in(text) {
            Some(id) if id.get_version_num() == 7 => "<of the service>".into(),
            Some(_) => value.clone(),
            None => timeless(value),
        },
        Value::Array(values) => values.iter().map(comparable).collect(),
        Value::Object(fields) => {
            let fields = fields.iter();
            fields.map(|(name, value)| (name.clone(), comparable(value))).collect()
        }
        other => other.clone(),
    }
}

fn all_comparable<'a>(values: impl IntoIterator<Item = &'a Value>) -> Vec<Value> {
    let known = values.into_iter().filter(|value| !is_of_many(value));
    known.map(comparable).collect()
}

/// The events of a log. What many clients do at once comes in any order, but not within a stream.
async fn events(system: &System, log: &str) -> Vec<Value> {
    let mut events = system.api.events_of(log, 0).await;
    for event in &mut events {
        let fields = event.as_object_mut().expect("an object");
        fields.remove("position");
    }
    let mut events = all_comparable(&events);
    events.sort_by_key(|event| {
        let stream = event["stream"].as_str().expect("text").to_owned();
        (stream, event["version"].as_u64(), event["data"].to_string())
    });
    events
}

/// The rows of every view in the end.
async fn rows(system: &System, heads: &BTreeMap<&str, u64>) -> Transcript {
    let (api, mut answers) = (&system.api, Transcript::new());
    let finance = VIEWS.iter().map(|(view, _)| ("finance", format!("/finance/{view}")));
    let warehouse = ["products", "low_stock"].map(|view| ("warehouse", format!("/warehouse/{view}")));
    let calendar = ("finance", "/finance/calendar".to_owned());
    for (log, path) in finance.chain(warehouse).chain([calendar]) {
        let rows = api.list_of(log, &path, heads[log]).await;
        assert!(!rows.is_empty(), "{path}");
        answers.found(format!("{path}: rows"), rows.len());
        answers.found(path, all_comparable(&rows));
    }
    for organisation in BOARDS {
        let who = Who {
            name: "max",
            organisation,
            roles: "lead",
        };
        let ask = |path: &str| api.get(path).by(&who).at_of("tickets", heads["tickets"]);
        let board = ask("/tickets/tickets?limit=500").send().await.with_status(200);
        for row in board.rows() {
            let path = format!("/tickets/tickets/{}", row["id"].as_str().expect("text"));
            let ticket = ask(&path).send().await.with_status(200);
            answers.found(format!("a ticket of {organisation}"), comparable(&ticket.body));
        }
        answers.found(format!("the board of {organisation}"), all_comparable(board.rows()));
    }
    answers
}

/// Everything that a system answers, and what it holds in the end.
async fn outcome(topology: Topology) -> Transcript {
    let system = System::start(topology).await;
    let mut answers = Transcript::new();
    for (name, part) in PARTS {
        answers.append(name, part(&system).await);
    }
    let mut heads = BTreeMap::new();
    for log in ["warehouse", "tickets", "finance"] {
        heads.insert(log, system.api.events_of(log, 0).await.len() as u64);
        for event in events(&system, log).await {
            answers.found(format!("an event of {log}"), event);
        }
    }
    answers.append("in the end", rows(&system, &heads).await);
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
    assert!(embedded.len() > 1_500, "only {} answers are compared", embedded.len());
    embedded.assert_same(&inline, "inline");
    embedded.assert_same(&brokered, "brokered");
}
