use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use callboard::Position;
use callboard_http::{Edge, Limits};
use futures::StreamExt;
use serde_json::Value;
use tokio::time::Instant;
use tower::ServiceExt;

use crate::toy::{Toy, request};

const DEADLINE: Duration = Duration::from_secs(10);

/// A toy whose feed looks at its log only when it is woken.
async fn asleep() -> Toy {
    let limits = Limits {
        feed_look_every: Duration::from_secs(3600),
        ..Limits::default()
    };
    let toy = Toy::on(Edge::new(["toy"]).limits(limits));
    for by in 1..=3 {
        toy.count("a", by).await;
    }
    toy
}

fn positions(page: &Value) -> Vec<u64> {
    page.as_array()
        .unwrap()
        .iter()
        .map(|event| event["position"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn a_page_has_the_events_in_order_and_whole() {
    let toy = asleep().await;
    let page = toy.get("/logs/toy/events").await;
    assert_eq!(page.header("content-type"), Some("application/json"));
    assert_eq!(positions(&page.json()), [1, 2, 3]);
    let recorded = toy.events().await;
    for (shown, recorded) in page.json().as_array().unwrap().iter().zip(&recorded) {
        assert_eq!(*shown, serde_json::to_value(recorded.to_public("toy")).unwrap());
        let fields = [
            "log",
            "position",
            "stream",
            "version",
            "id",
            "type",
            "schema_version",
            "data",
            "previous_id",
            "metadata",
            "recorded_at",
        ];
        assert!(fields.iter().all(|field| shown.get(field).is_some()), "{shown}");
    }
}

#[tokio::test]
async fn pages_go_on_where_the_last_one_ended() {
    let toy = asleep().await;
    assert_eq!(
        positions(&toy.get("/logs/toy/events?after=1&limit=1").await.json()),
        [2]
    );
    let first = toy.get("/logs/toy/events?limit=2").await;
    assert_eq!(
        first.header("link"),
        Some("</logs/toy/events?limit=2&after=2>; rel=\"next\"")
    );
    assert_eq!(
        positions(&toy.get("/logs/toy/events?limit=2&after=2").await.json()),
        [3]
    );
    let end = toy.get("/logs/toy/events?after=3").await;
    assert_eq!((positions(&end.json()).len(), end.header("link")), (0, None));
    assert!(positions(&toy.get("/logs/toy/events?after=99").await.json()).is_empty());
}

#[tokio::test]
async fn long_pages_are_read_in_parts() {
    let toy = asleep().await;
    for _ in 0..300 {
        toy.count("b", 1).await;
    }
    assert_eq!(
        positions(&toy.get("/logs/toy/events?limit=250").await.json()),
        (1..=250).collect::<Vec<_>>()
    );
    assert_eq!(
        positions(&toy.get("/logs/toy/events?limit=1000").await.json()).len(),
        303
    );
}

#[tokio::test]
async fn wrong_parameters_and_unknown_logs_are_problems() {
    let toy = asleep().await;
    for (query, pointer) in [
        ("limit=0", "/limit"),
        ("limit=1001", "/limit"),
        ("after=-1", "/after"),
        ("after=x", "/after"),
        ("x=1", "/x"),
    ] {
        toy.get(&format!("/logs/toy/events?{query}"))
            .await
            .invalid("invalid-query", pointer);
    }
    toy.get("/logs/none/events").await.problem(404, "not-found");
    let stream = [("accept", "text/event-stream"), ("last-event-id", "x")];
    toy.get_with("/logs/toy/events", &stream)
        .await
        .invalid("invalid-header", "/last-event-id");
}

/// A live feed, read event by event.
struct Live(BodyDataStream, String);

impl Live {
    async fn of(toy: &Toy, uri: &str, headers: &[(&str, &str)]) -> Self {
        let headers = [&[("accept", "application/json;q=0.1, text/event-stream")], headers].concat();
        let response = toy
            .routes
            .clone()
            .oneshot(request("GET", uri, &headers, Body::empty()))
            .await
            .unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (200, &"text/event-stream".parse().unwrap())
        );
        Self(response.into_body().into_data_stream(), String::new())
    }

    /// What comes next, however long it takes: for a paused clock, which would run into a deadline.
    async fn chunk(&mut self) -> String {
        let chunk = self.0.next().await.expect("it goes on").unwrap();
        String::from_utf8(chunk.to_vec()).unwrap()
    }

    /// The next block up to a blank line; `None` at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.1.find("\n\n") {
                let block = self.1[..end].to_owned();
                self.1.drain(..end + 2);
                return Some(block);
            }
            let chunk = tokio::time::timeout(DEADLINE, self.0.next())
                .await
                .expect("it comes in time")?;
            self.1.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
        }
    }

    /// The next event's id and data.
    async fn event(&mut self) -> (u64, Value) {
        let block = self.block().await.expect("another event");
        let line = |name: &str| {
            block
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap_or_else(|| panic!("{block}"))
        };
        (
            line("id: ").parse().unwrap(),
            serde_json::from_str(line("data: ")).unwrap(),
        )
    }
}

#[tokio::test]
async fn a_live_feed_has_what_there_is_and_then_what_comes() {
    let toy = asleep().await;
    let mut live = Live::of(&toy, "/logs/toy/events?after=1", &[]).await;
    for position in 2..=3 {
        let (id, data) = live.event().await;
        assert_eq!(
            (id, &data["position"], &data["type"]),
            (position, &position.into(), &"Counted".into())
        );
    }
    for position in 4..=5 {
        // It waits first, and is woken then.
        let woken = async {
            toy.count("a", 1).await;
            toy.waker.wake();
        };
        let ((id, _), ()) = tokio::join!(biased; live.event(), woken);
        assert_eq!(id, position);
    }
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_nobody_wakes_looks_by_itself() {
    let toy = asleep().await;
    let mut live = Live::of(&toy, "/logs/toy/events?after=3", &[]).await;
    // A first comment shows that the feed has looked and found nothing.
    live.chunk().await;
    toy.count("a", 1).await;
    let begun = Instant::now();
    while live.chunk().await.starts_with(':') {}
    // The clock is paused: it jumped from comment to comment up to the feed's own look.
    assert!(begun.elapsed() > Duration::from_secs(3500), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_live_feed_resumes_behind_the_last_event_id() {
    let toy = asleep().await;
    let mut live = Live::of(&toy, "/logs/toy/events?after=0", &[("last-event-id", "2")]).await;
    assert_eq!(live.event().await.0, 3);
}

#[tokio::test(start_paused = true)]
async fn a_silent_feed_sends_comments_every_15_s() {
    let toy = asleep().await;
    let mut live = Live::of(&toy, "/logs/toy/events?after=3", &[]).await;
    for _ in 0..3 {
        let begun = Instant::now();
        assert!(live.chunk().await.starts_with(':'));
        assert_eq!(begun.elapsed().as_secs(), 15);
    }
}

#[tokio::test]
async fn a_drain_ends_a_live_feed() {
    let toy = asleep().await;
    let mut live = Live::of(&toy, "/logs/toy/events?after=3", &[]).await;
    toy.draining.cancel();
    assert_eq!(live.block().await, None);
}

#[tokio::test]
async fn a_live_feed_ends_when_the_log_has_lost_what_was_sent() {
    let toy = asleep().await;
    let mut live = Live::of(&toy, "/logs/toy/events?after=2", &[]).await;
    assert_eq!(live.event().await.0, 3);
    toy.log.put_back_to(Position::new(1));
    toy.waker.wake();
    assert_eq!(live.block().await, None);
}
