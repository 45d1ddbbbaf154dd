//! A row of one view with a list of another one beside it.

use axum::Router;
use axum::extract::FromRef;
use axum::routing::get;
use callboard::log::LogReader;
use callboard::memory::MemoryViews;
use callboard::subscription::{Lock, Subscriber};
use callboard::{Position, Projection, Recorded, Version};
use callboard_http::{Edge, Listing, PathParam, Problem, QuerySide, Row, ViewQuery, ViewSide};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::toy::{Answer, Counted, Name, Totals, Toy, Toys, answer, request};

/// Every count, each a row.
struct Counts;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct CountRow {
    counter: String,
    version: Version,
    by: u8,
}

impl Projection for Counts {
    type Log = Toys;
    type Key = (String, Version);
    type Row = CountRow;

    const NAME: &'static str = "counts";
    const VERSION: u32 = 1;
    const TABLE: &'static str = "toy.counts";
    const KEY: &'static [&'static str] = &["counter", "version"];

    fn keys(_: &Counted) -> Vec<Self::Key> {
        Vec::new()
    }

    fn keys_recorded(event: &Recorded<Counted>) -> Vec<Self::Key> {
        vec![(event.event.counter.clone(), event.version)]
    }

    fn fold((counter, version): &Self::Key, _: Option<CountRow>, event: &Recorded<Counted>) -> Option<CountRow> {
        Some(CountRow {
            counter: counter.clone(),
            version: *version,
            by: event.event.by,
        })
    }
}

#[derive(Clone)]
struct Sides(ViewSide<Totals>, ViewSide<Counts>);

impl FromRef<Sides> for ViewSide<Totals> {
    fn from_ref(sides: &Sides) -> Self {
        sides.0.clone()
    }
}

impl FromRef<Sides> for ViewSide<Counts> {
    fn from_ref(sides: &Sides) -> Self {
        sides.1.clone()
    }
}

async fn one(
    query: ViewQuery<Totals>,
    counts: ViewQuery<Counts>,
    PathParam(Name(name)): PathParam<Name>,
) -> Result<Row<Value>, Problem> {
    let listing = Listing::by_key().only("counter", &*name);
    let (total, counts) = query
        .one_with(
            &name,
            "There is no such counter.",
            |_| name != "hidden",
            counts,
            listing,
        )
        .await?;
    let by = |row: CountRow| row.by;
    Ok(total.with(
        counts,
        |total, counts| json!({ "total": total, "counts": counts.into_iter().map(by).collect::<Vec<_>>() }),
    ))
}

struct Beside {
    toy: Toy,
    views: MemoryViews,
    routes: Router,
}

impl Beside {
    fn new() -> Self {
        let (views, edge) = (MemoryViews::new(), Edge::new(["toy"]));
        let side = QuerySide::new(&views, edge.clone());
        let routes = Router::new()
            .route("/both/{counter}", get(one))
            .with_state(Sides(side.view(), side.view()));
        Self {
            toy: Toy::new(),
            views,
            routes: edge.wrap(routes),
        }
    }

    /// Brings a view up to this position.
    async fn project<P: Projection<Log = Toys>>(&self, to: u64) {
        let mut view = self.views.projection::<P>();
        let from = view.checkpoint().await.unwrap().position;
        let events = LogReader::read(&self.toy.log, from, (to - from.get()) as usize)
            .await
            .unwrap();
        let events: Vec<_> = events.events.iter().map(|event| event.decode().unwrap()).collect();
        view.apply(&events, Lock::Wait).await.unwrap();
        assert_eq!(view.checkpoint().await.unwrap().position, Position::new(to));
    }

    async fn get(&self, uri: &str, headers: &[(&str, &str)]) -> Answer {
        answer(&self.routes, request("GET", uri, headers, "")).await
    }
}

#[tokio::test]
async fn a_row_is_shown_with_a_page_of_what_is_beside_it() {
    let beside = Beside::new();
    for (counter, by) in [("a", 1), ("b", 7), ("a", 2), ("a", 3)] {
        beside.toy.count(counter, by).await;
    }
    beside.project::<Totals>(4).await;
    beside.project::<Counts>(4).await;
    let all = beside.get("/both/a", &[]).await;
    assert_eq!(
        all.json(),
        json!({ "total": { "counter": "a", "total": 6, "even": true }, "counts": [1, 2, 3] })
    );
    assert_eq!(
        (all.header("callboard-position"), all.header("link")),
        (Some("toy:4"), None)
    );
    let first = beside.get("/both/a?limit=2", &[]).await;
    assert_eq!(first.json()["counts"], json!([1, 2]));
    let link = first.header("link").unwrap();
    let next = link.strip_prefix('<').unwrap().split('>').next().unwrap();
    let second = beside.get(next, &[]).await;
    assert_eq!(
        (second.json()["counts"].clone(), second.header("link")),
        (json!([3]), None)
    );
    beside
        .get("/both/a?limit=0", &[])
        .await
        .invalid("invalid-query", "/limit");
    beside.get("/both/a?x=1", &[]).await.invalid("invalid-query", "/x");
    beside
        .get("/both/a?counter=b", &[])
        .await
        .invalid("invalid-query", "/counter");
    beside.get("/both/z?x=1", &[]).await.invalid("invalid-query", "/x");
}

#[tokio::test]
async fn a_row_that_is_not_to_be_shown_is_as_missing_as_one_that_is_not_there() {
    let beside = Beside::new();
    beside.toy.count("hidden", 1).await;
    beside.project::<Totals>(1).await;
    beside.project::<Counts>(1).await;
    let hidden = beside.get("/both/hidden", &[]).await;
    let missing = beside.get("/both/none", &[]).await;
    assert_eq!(hidden.problem(404, "not-found"), missing.problem(404, "not-found"));
    assert_eq!(
        hidden.header("callboard-position"),
        missing.header("callboard-position")
    );
}

#[tokio::test(start_paused = true)]
async fn the_list_is_never_older_than_the_row() {
    let beside = Beside::new();
    beside.toy.count("a", 1).await;
    beside.toy.count("a", 2).await;
    beside.project::<Totals>(2).await;
    beside.project::<Counts>(1).await;
    let behind = beside.get("/both/a", &[("prefer", "wait=1")]).await;
    let detail = behind.problem(503, "view-behind")["detail"].clone();
    assert_eq!(detail, "The view counts is at position 1, not yet at 2.");
    let (waited, ()) = tokio::join!(biased; beside.get("/both/a", &[]), beside.project::<Counts>(2));
    assert_eq!(waited.json()["counts"], json!([1, 2]));
    // One that is newer is as good.
    beside.toy.count("a", 3).await;
    beside.project::<Counts>(3).await;
    let newer = beside.get("/both/a", &[]).await;
    assert_eq!(
        (newer.json()["total"]["total"].clone(), newer.json()["counts"].clone()),
        (json!(3), json!([1, 2, 3]))
    );
    assert_eq!(
        newer.header("callboard-position"),
        Some("toy:2"),
        "what all of it includes"
    );
}

#[tokio::test(start_paused = true)]
async fn both_together_wait_no_longer_than_one() {
    let beside = Beside::new();
    beside.toy.count("a", 1).await;
    let begun = tokio::time::Instant::now();
    let late = async {
        tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
        beside.project::<Totals>(1).await;
    };
    let headers = [("prefer", "wait=2"), ("callboard-position", "toy:1")];
    let (answer, ()) = tokio::join!(beside.get("/both/a", &headers), late);
    answer.problem(503, "view-behind");
    assert!(begun.elapsed().as_millis() < 2_100, "{:?}", begun.elapsed());
}
