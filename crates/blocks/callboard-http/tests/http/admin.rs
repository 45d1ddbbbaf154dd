use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use callboard::memory::{Gate, MemoryProjection};
use callboard::parking::Parking;
use callboard::pipeline::EventsPerSecond;
use callboard::subscription::{Lock, Runner};
use callboard::{Log, Projection, Recorded};
use callboard_http::{AdminError, AdminSubscriber, Administer, Edge, admin_routes};
use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::toy::{Answer, Counted, Toy, Toys, answer, request};

/// Takes no 13, for as long as a counter `mended…` isn't asked for.
struct Fussy;

static MENDED: AtomicBool = AtomicBool::new(false);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Last {
    counter: String,
    by: u8,
}

impl Projection for Fussy {
    type Log = Toys;
    type Key = String;
    type Row = Last;

    const NAME: &'static str = "fussy";
    const VERSION: u32 = 1;
    const TABLE: &'static str = "toy.fussy";
    const KEY: &'static [&'static str] = &["counter"];

    fn keys(event: &Counted) -> Vec<String> {
        vec![event.counter.clone()]
    }

    fn fold(counter: &String, _: Option<Last>, event: &Recorded<Counted>) -> Option<Last> {
        let by = event.event.by;
        assert!(by != 13 || MENDED.load(Ordering::SeqCst), "an unlucky number");
        assert!(by != 66, "a bad number");
        Some(Last {
            counter: counter.clone(),
            by,
        })
    }
}

/// The admin API over one projection in memory, something that never parks, and an event handler's rate.
struct Administered {
    fussy: MemoryProjection<Fussy>,
    gate: Gate,
    rate: Mutex<Option<EventsPerSecond>>,
}

impl Administer for Administered {
    fn subscribers(&self) -> BoxFuture<'_, Result<Vec<AdminSubscriber>, AdminError>> {
        async move {
            let parked = self
                .fussy
                .list()
                .await
                .map_err(|error| AdminError::Unavailable(error.into()))?;
            let (state, reason) = self.gate.state();
            let one = |name: &str, kind: &str| AdminSubscriber {
                log: Toys::NAME.into(),
                name: name.into(),
                kind: kind.into(),
                state: state.into(),
                reason: reason.clone(),
                mode: Some("live"),
                checkpoint: None,
                lag_events: 0,
                parked: parked.len() as u64,
                events_per_second: self.rate.lock().unwrap().filter(|_| kind == "event_handler"),
            };
            Ok(vec![
                one("fussy", "projection"),
                one("manager", "process_manager"),
                one("webhook", "event_handler"),
            ])
        }
        .boxed()
    }

    fn pause<'a>(&'a self, _: &'a str, _: &'a str, reason: &'a str) -> BoxFuture<'a, Result<(), AdminError>> {
        self.gate.pause(reason);
        ready(Ok(())).boxed()
    }

    fn resume<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<(), AdminError>> {
        self.gate.resume();
        ready(Ok(())).boxed()
    }

    fn order_rate<'a>(
        &'a self,
        _: &'a str,
        name: &'a str,
        rate: Option<EventsPerSecond>,
    ) -> BoxFuture<'a, Result<(), AdminError>> {
        assert_eq!(name, "webhook", "nobody else has a rate");
        *self.rate.lock().unwrap() = rate;
        ready(Ok(())).boxed()
    }

    fn cancel_rebuild<'a>(&'a self, _: &'a str, name: &'a str) -> BoxFuture<'a, Result<(), AdminError>> {
        let refused = Err(AdminError::Refused("toy.manager is rebuilt by nobody".into()));
        ready(if name == "fussy" { Ok(()) } else { refused }).boxed()
    }

    fn parking(&self, _: &str, name: &str) -> Option<Arc<dyn Parking>> {
        (name == "fussy").then(|| Arc::new(self.fussy.clone()) as Arc<dyn Parking>)
    }
}

struct Ops {
    routes: Router,
    runner: Runner<MemoryProjection<Fussy>, callboard::memory::MemoryLog>,
    toy: Toy,
}

impl Ops {
    fn new() -> Self {
        let (toy, fussy) = (Toy::new(), MemoryProjection::<Fussy>::new());
        let edge = Edge::new([]);
        let administer = Arc::new(Administered {
            gate: fussy.gate(),
            rate: Mutex::default(),
            fussy: fussy.clone(),
        });
        Self {
            routes: edge.wrap(admin_routes(&edge, administer)),
            runner: Runner::new(fussy, toy.log.clone()),
            toy,
        }
    }

    /// Records these, and brings the view to the head.
    async fn counted(&mut self, all: &[(&str, u8)]) {
        for (counter, by) in all {
            self.toy.count(counter, *by).await;
        }
        self.runner.catch_up(Lock::Wait).await.unwrap();
    }

    async fn get(&self, path: &str) -> Answer {
        let uri = format!("/admin/subscribers{path}");
        answer(&self.routes, request("GET", &uri, &[], Body::empty())).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.post_as(path, &[("content-type", "application/json")], body).await
    }

    async fn post_as(&self, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let uri = format!("/admin/subscribers{path}");
        answer(&self.routes, request("POST", &uri, headers, body.to_string())).await
    }

    async fn positions(&self) -> Vec<(Value, Value)> {
        let listed = self.get("/toy/fussy/parked").await.json();
        let listed = listed.as_array().unwrap().iter();
        listed
            .map(|parked| (parked["position"].clone(), parked["cause"].clone()))
            .collect()
    }
}

#[tokio::test]
async fn a_subscriber_is_paused_and_resumed_over_http() {
    let mut ops = Ops::new();
    ops.counted(&[("a", 1)]).await;
    let paused = ops.post("/toy/fussy/pause", json!({ "reason": "a closer look" })).await;
    assert_eq!(
        paused.json(),
        json!({ "log": "toy", "name": "fussy", "from": "running", "to": "paused" })
    );
    let listed = ops.get("").await.json();
    assert_eq!(
        (&listed[0]["state"], &listed[0]["reason"]),
        (&json!("paused"), &json!("a closer look"))
    );
    ops.toy.count("a", 2).await;
    let stopped = ops.runner.catch_up(Lock::Wait).await.unwrap_err();
    assert!(
        callboard::error_chain(&stopped).contains("a closer look"),
        "{stopped:?}"
    );
    let resumed = ops.post("/toy/fussy/resume", json!({})).await.json();
    assert_eq!(
        (&resumed["from"], &resumed["to"]),
        (&json!("paused"), &json!("running"))
    );
    ops.runner.start().await.unwrap();
    ops.counted(&[]).await;
    let problem = ops.post("/toy/none/pause", json!({})).await.problem(404, "not-found");
    assert!(problem["detail"].as_str().unwrap().contains("toy/fussy"), "{problem}");
}

#[tokio::test]
async fn an_event_handlers_rate_is_ordered_over_http() {
    let ops = Ops::new();
    let order = async |rate: Value| {
        ops.post("/toy/webhook/rate", json!({ "events_per_second": rate }))
            .await
    };
    let shown = async || ops.get("").await.json()[2]["events_per_second"].clone();
    assert_eq!(shown().await, Value::Null);
    let ordered = order(json!(20)).await.json();
    assert_eq!(
        ordered,
        json!({ "log": "toy", "name": "webhook", "from": null, "to": 20 })
    );
    for wrong in [
        json!(0),
        json!(-1),
        json!(1_000_001),
        json!(1.5),
        json!("20"),
        json!({}),
    ] {
        order(wrong).await.invalid("invalid-body", "/events_per_second");
    }
    let problem = order(json!(0)).await.problem(400, "invalid-body");
    let detail = problem["errors"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("a whole number from 1 to 1000000"), "{problem}");
    for (body, pointer) in [(json!({}), "/events_per_second"), (json!({ "rate": 1 }), "/rate")] {
        ops.post("/toy/webhook/rate", body)
            .await
            .invalid("invalid-body", pointer);
    }
    assert_eq!(shown().await, json!(20), "what is wrong changes nothing");
    let taken_back = order(Value::Null).await.json();
    assert_eq!((&taken_back["from"], &taken_back["to"]), (&json!(20), &Value::Null));
    assert_eq!(shown().await, Value::Null);
    let rate = json!({ "events_per_second": 1 });
    for other in ["fussy", "manager"] {
        let path = format!("/toy/{other}/rate");
        ops.post(&path, rate.clone()).await.problem(409, "no-event-handler");
    }
    ops.post("/toy/none/rate", rate).await.problem(404, "not-found");
}

#[tokio::test]
async fn an_order_is_strict_json_and_nothing_that_a_browser_sends_unasked() {
    let ops = Ops::new();
    for content_type in ["text/plain", "application/x-www-form-urlencoded"] {
        for path in ["pause", "resume", "rate", "parked/retry", "parked/discard"] {
            let headers = [("content-type", content_type)];
            let answer = ops.post_as(&format!("/toy/fussy/{path}"), &headers, json!({})).await;
            answer.problem(415, "not-json");
        }
    }
    assert_eq!(ops.get("").await.json()[0]["state"], "running");
    ops.get("/toy/fussy/pause").await.problem(405, "method-not-allowed");
    let invalid = async |path: &str, body: Value, pointer: &str| {
        let path = format!("/toy/fussy/{path}");
        ops.post(&path, body).await.invalid("invalid-body", pointer);
    };
    invalid("pause", json!({ "why": "so" }), "/why").await;
    invalid("pause", json!({ "reason": " " }), "/reason").await;
    invalid("resume", json!({ "reason": "so" }), "/reason").await;
    invalid("parked/retry", json!({}), "").await;
    invalid("parked/retry", json!({ "all": false }), "").await;
    invalid("parked/retry", json!({ "positions": [] }), "").await;
    invalid("parked/retry", json!({ "positions": [1], "all": true }), "").await;
    invalid("parked/retry", json!({ "positions": [-1] }), "/positions/0").await;
    invalid("parked/retry", json!({ "cause": "bad luck" }), "/cause").await;
    invalid("parked/discard", json!({ "position": 1 }), "/reason").await;
    invalid("parked/discard", json!({ "position": 1, "reason": "\n" }), "/reason").await;
}

#[tokio::test]
async fn parked_events_are_listed_retried_and_discarded_over_http() {
    let mut ops = Ops::new();
    ops.counted(&[("a", 13), ("a", 1), ("b", 2), ("c", 66), ("c", 3)]).await;
    let parked = |position: u64, cause: &str| (json!(position), json!(cause));
    let all = [
        parked(1, "failed"),
        parked(2, "behind"),
        parked(4, "failed"),
        parked(5, "behind"),
    ];
    assert_eq!(ops.positions().await, all);
    assert_eq!(ops.get("").await.json()[0]["parked"], 4);

    let retry = "/toy/fussy/parked/retry";
    let dry = ops
        .post(retry, json!({ "cause": "failed", "dry_run": true }))
        .await
        .json();
    assert_eq!((&dry["dry_run"], &dry["failed"]), (&json!(true), &json!(2)), "{dry}");
    MENDED.store(true, Ordering::SeqCst);
    let two = ops.post(retry, json!({ "positions": [2, 1] })).await.json();
    assert_eq!(
        two,
        json!({ "dry_run": false, "failed": 0, "groups": [{ "positions": [1, 2], "outcome": "applied" }] }),
        "one group is retried once"
    );
    let failed = ops.post(retry, json!({ "all": true })).await.json();
    assert_eq!(
        (&failed["failed"], &failed["groups"][0]["position"]),
        (&json!(1), &json!(4)),
        "{failed}"
    );
    ops.post(retry, json!({ "positions": [5, 9] }))
        .await
        .problem(404, "not-parked");
    assert_eq!(ops.positions().await, all[2..]);

    let discard = "/toy/fussy/parked/discard";
    let dry = json!({ "position": 4, "reason": "a slip", "dry_run": true });
    assert_eq!(ops.post(discard, dry).await.json()["done"], false);
    assert_eq!(ops.positions().await, all[2..], "a dry run changes nothing");
    let done = ops
        .post(discard, json!({ "position": 4, "reason": "a slip" }))
        .await
        .json();
    assert_eq!((&done["done"], &done["behind"]), (&json!(true), &json!([5])), "{done}");
    assert_eq!(done["event"]["stream"], "counter-c", "{done}");
    ops.post(retry, json!({ "cause": "failed" }))
        .await
        .problem(404, "not-parked");
    assert_eq!(ops.post(retry, json!({ "cause": "behind" })).await.json()["failed"], 0);
    assert_eq!(ops.positions().await, []);
    ops.get("/toy/manager/parked").await.problem(409, "never-parks");
    ops.get("/toy/none/parked").await.problem(404, "not-found");
}

#[tokio::test]
async fn a_rebuild_is_cancelled_or_it_is_said_why_not() {
    let ops = Ops::new();
    let cancelled = ops.post("/toy/fussy/rebuild/cancel", json!({})).await;
    assert_eq!(cancelled.status, 200);
    let expected = json!({ "log": "toy", "name": "fussy", "rebuild": "cancelled" });
    assert_eq!(cancelled.json(), expected);
    let refused = ops.post("/toy/manager/rebuild/cancel", json!({})).await;
    assert_eq!(refused.status, 409);
    assert_eq!(refused.json()["detail"], "toy.manager is rebuilt by nobody");
    assert_eq!(ops.post("/toy/nobody/rebuild/cancel", json!({})).await.status, 404);
    assert_eq!(
        ops.post("/toy/fussy/rebuild/cancel", json!({ "now": true }))
            .await
            .status,
        400
    );
}
