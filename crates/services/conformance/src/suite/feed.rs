//! The event feed: pages, and live.

use serde_json::{Value, json};

use crate::support::soon;
use crate::system::System;
use crate::transcript::Transcript;

const FIELDS: [&str; 11] = [
    "data",
    "id",
    "log",
    "metadata",
    "position",
    "previous_id",
    "recorded_at",
    "schema_version",
    "stream",
    "type",
    "version",
];

pub(super) async fn pages(system: &System) -> Transcript {
    let (api, mut answers) = (&system.api, Transcript::new());
    let first = api
        .increase("fed", 50)
        .header("x-correlation-id", "fed")
        .send()
        .await
        .done();
    let last = api
        .ship("fed", 10)
        .header("x-correlation-id", "fed")
        .send()
        .await
        .done();
    let after = first.position() - 1;
    let path = format!("/logs/warehouse/events?after={after}");
    let page = answers.note("two", api.get(&path).send().await.with_status(200));
    let [increased, shipped] = page.rows() else {
        panic!("{page:?}")
    };
    let fields: Vec<_> = increased.as_object().expect("an object").keys().collect();
    assert_eq!(fields, FIELDS);
    assert_eq!(increased["id"], first.body["events"][0]["id"]);
    assert_eq!(shipped["previous_id"], increased["id"]);
    assert_eq!(shipped["version"], 2);
    assert_eq!(shipped["schema_version"], 1);
    assert_eq!(
        shipped["data"],
        json!({ "sku": "fed", "quantity": 10, "quantity_on_hand": 40 })
    );
    assert_eq!(
        page.next().as_deref(),
        Some(&*format!("/logs/warehouse/events?after={}", last.position()))
    );
    let all = api.events(0).await;
    assert_eq!(all[0]["previous_id"], uuid::Uuid::nil().to_string());
    for pair in all.windows(2) {
        assert_eq!(pair[1]["previous_id"], pair[0]["id"]);
        assert!(recorded_at(&pair[1]) >= recorded_at(&pair[0]));
    }
    let one = answers.note("one", api.get(&format!("{path}&limit=1")).send().await.with_status(200));
    assert_eq!(one.rows(), std::slice::from_ref(increased));
    let beyond = format!("/logs/warehouse/events?after={}", last.position() + 10);
    let none = answers.note("beyond the head", api.get(&beyond).send().await.with_status(200));
    assert!(none.rows().is_empty() && none.next().is_none());

    for (query, pointer) in [
        ("after=-1", "/after"),
        ("after=x", "/after"),
        ("after=9223372036854775808", "/after"),
        ("limit=0", "/limit"),
        ("limit=1001", "/limit"),
        ("from=1", "/from"),
    ] {
        let answer = api.get(&format!("/logs/warehouse/events?{query}")).send().await;
        answers.note(query, answer.problem(400, "invalid-query").at(pointer));
    }
    let unknown = api.get("/logs/nowhere/events").send().await;
    answers.note("no such log", unknown.problem(404, "not-found"));
    answers
}

pub(super) async fn live(system: &System) -> Transcript {
    let (api, mut answers) = (&system.api, Transcript::new());
    let first = api.increase("live", 50).send().await.done();
    let after = first.position() - 1;
    let path = format!("/logs/warehouse/events?after={after}");
    let mut feed = Live::open(system, &path, None).await;
    assert_eq!(feed.next().await["id"], first.body["events"][0]["id"]);
    for quantity in 1..=20 {
        let receipt = api.increase("live", quantity).send().await.done();
        let event = feed.next().await;
        assert_eq!(event["id"], receipt.body["events"][0]["id"]);
        assert_eq!(event["data"]["quantity"], quantity);
    }
    drop(feed);
    // Where the client was, it goes on: with what it has missed, then live.
    let missed = api.increase("live", 21).send().await.done();
    let mut feed = Live::open(system, &path, Some(first.position() + 20)).await;
    assert_eq!(feed.next().await["position"], missed.position());
    let fresh = api.increase("live", 22).send().await.done();
    let event = feed.next().await;
    assert_eq!(event["position"], fresh.position());
    let stored = &api.events(fresh.position() - 1).await[0];
    assert_eq!(&event, stored, "live and stored are the same");
    let wrong = api
        .get(&path)
        .header("accept", "text/event-stream")
        .header("last-event-id", "x")
        .send()
        .await;
    answers.note(
        "a wrong Last-Event-ID",
        wrong.problem(400, "invalid-header").at("/last-event-id"),
    );
    answers
}

/// A live feed being read.
struct Live {
    response: reqwest::Response,
    read: String,
}

impl Live {
    async fn open(system: &System, path: &str, last_event_id: Option<u64>) -> Self {
        let mut ask = system.api.get(path).header("accept", "text/event-stream");
        if let Some(id) = last_event_id {
            ask = ask.header("last-event-id", &id.to_string());
        }
        let response = ask.open().await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            read: String::new(),
        }
    }

    /// The next event; its `id` is its position.
    async fn next(&mut self) -> Value {
        loop {
            if let Some((block, rest)) = self.read.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.read = rest;
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                if let Some(data) = field("data:") {
                    let event: Value = serde_json::from_str(data).expect("an event is JSON");
                    assert_eq!(
                        field("id:"),
                        event["position"].as_u64().map(|at| at.to_string()).as_deref()
                    );
                    return event;
                }
                continue;
            }
            let chunk = soon("a live event", self.response.chunk())
                .await
                .expect("the feed goes on");
            let chunk = chunk.expect("the feed goes on");
            self.read.push_str(std::str::from_utf8(&chunk).expect("text"));
        }
    }
}

/// As a moment: as texts, `.12Z` would come after `.123Z`.
fn recorded_at(event: &Value) -> jiff::Timestamp {
    let text = event["recorded_at"].as_str().expect("a text");
    text.parse().expect("an RFC 3339 moment")
}
