use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::toy::{Answer, Toy};

/// Five counters: a to e with 1 to 5.
async fn five() -> Toy {
    let toy = Toy::new();
    for (name, by) in ["a", "b", "c", "d", "e"].into_iter().zip(1..) {
        toy.count(name, by).await;
    }
    toy.project().await;
    toy
}

fn names(answer: &Answer) -> Vec<String> {
    let rows = answer.json();
    rows.as_array()
        .unwrap()
        .iter()
        .map(|row| row["counter"].as_str().unwrap().to_owned())
        .collect()
}

/// The target of `Link: <…>; rel="next"`.
fn next(answer: &Answer) -> Option<String> {
    let link = answer.header("link")?;
    Some(
        link.strip_prefix('<')
            .unwrap()
            .strip_suffix(">; rel=\"next\"")
            .unwrap()
            .to_owned(),
    )
}

#[tokio::test]
async fn an_empty_view_is_an_empty_array_at_position_0() {
    let answer = Toy::new().get("/counters").await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!([])));
    assert_eq!(answer.header("callboard-position"), Some("toy:0"));
    assert_eq!(next(&answer), None);
}

#[tokio::test]
async fn pages_follow_their_links_to_the_end() {
    let toy = five().await;
    let (mut seen, mut uri, mut pages) = (Vec::new(), Some("/counters?limit=2".to_owned()), 0);
    while let Some(page) = uri {
        let answer = toy.get(&page).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("callboard-position"), Some("toy:5"));
        seen.extend(names(&answer));
        (uri, pages) = (next(&answer), pages + 1);
    }
    assert_eq!((seen.concat().as_str(), pages), ("abcde", 3));
}

#[tokio::test]
async fn a_full_last_page_has_no_link() {
    let toy = five().await;
    let answer = toy.get("/counters?limit=5").await;
    assert_eq!((names(&answer).len(), next(&answer)), (5, None));
}

#[tokio::test]
async fn filters_stay_in_the_link() {
    let toy = five().await;
    let first = toy.get("/counters?even=false&limit=2").await;
    assert_eq!(names(&first).concat(), "ac");
    let second = toy.get(&next(&first).unwrap()).await;
    assert_eq!((names(&second).concat().as_str(), next(&second)), ("e", None));
    toy.get("/counters?even=maybe").await.invalid("invalid-query", "/even");
}

#[tokio::test]
async fn a_list_by_a_column_pages_in_its_order() {
    let toy = five().await;
    toy.count("a", 9).await;
    toy.project().await;
    let first = toy.get("/totals?limit=3").await;
    assert_eq!(first.json(), json!([2, 3, 4]));
    assert_eq!(toy.get(&next(&first).unwrap()).await.json(), json!([5, 10]));
}

#[tokio::test]
async fn a_cursor_that_this_list_did_not_give_is_400() {
    let toy = five().await;
    let next = next(&toy.get("/counters?limit=2").await).unwrap();
    let cursor = next.split("cursor=").nth(1).unwrap();
    assert_eq!(toy.get(&format!("/counters?cursor={cursor}")).await.status, 200);
    toy.get(&format!("/totals?cursor={cursor}"))
        .await
        .invalid("invalid-query", "/cursor");
    // Not base64; no JSON; too few values; a key of another type; a key that no row can have.
    for garbage in [
        "",
        "x",
        "%00",
        "!!!!",
        "YWJj",
        "W10",
        "W251bGwsMV0",
        "W251bGwsIlx1MDAwMCJd",
        &cursor[1..],
    ] {
        toy.get(&format!("/counters?cursor={garbage}"))
            .await
            .invalid("invalid-query", "/cursor");
    }
    // The total that it is ordered by: text, a truth, below 0, in parts; at last one that may be.
    for made_up in [
        "WyJ0b3RhbCIsIngiLCJhIl0",
        "WyJ0b3RhbCIsdHJ1ZSwiYSJd",
        "WyJ0b3RhbCIsLTEsImEiXQ",
        "WyJ0b3RhbCIsMS41LCJhIl0",
    ] {
        toy.get(&format!("/totals?cursor={made_up}"))
            .await
            .invalid("invalid-query", "/cursor");
    }
    assert_eq!(toy.get("/totals?cursor=WyJ0b3RhbCIsNywiYSJd").await.status, 200);
}

#[tokio::test]
async fn a_wrong_query_parameter_is_400_and_named() {
    let toy = five().await;
    for limit in ["0", "501", "-1", "x", "", "1.5", "01", "99999999999999999999"] {
        toy.get(&format!("/counters?limit={limit}"))
            .await
            .invalid("invalid-query", "/limit");
    }
    assert_eq!(toy.get("/counters?limit=500").await.status, 200);
    toy.get("/counters?limit=1&limit=2")
        .await
        .invalid("invalid-query", "/limit");
    toy.get("/counters?nonsense=1")
        .await
        .invalid("invalid-query", "/nonsense");
    toy.get("/counters/a?nonsense=1")
        .await
        .invalid("invalid-query", "/nonsense");
}

#[tokio::test]
async fn one_row_or_a_404_both_say_their_position() {
    let toy = five().await;
    let found = toy.get("/counters/b").await;
    assert_eq!(found.json(), json!({ "counter": "b", "total": 2, "even": true }));
    assert_eq!(found.header("callboard-position"), Some("toy:5"));
    let missing = toy.get("/counters/z").await;
    assert_eq!(missing.problem(404, "not-found")["detail"], "There is no such counter.");
    assert_eq!(missing.header("callboard-position"), Some("toy:5"));
    toy.get("/counters/1").await.invalid("invalid-path", "/counter");
}

#[tokio::test]
async fn a_query_waits_for_the_position_that_it_asks_for() {
    let toy = five().await;
    toy.count("a", 10).await;
    let headers = [("callboard-position", "other:99, toy:6")];
    let (answer, ()) = tokio::join!(biased; toy.get_with("/counters/a", &headers), async {
        assert_eq!(toy.position_of_view().await.get(), 5, "nothing but the query has begun");
        toy.project().await;
    });
    assert_eq!(answer.json()["total"], 11);
    assert_eq!(answer.header("callboard-position"), Some("toy:6"));
}

#[tokio::test(start_paused = true)]
async fn a_query_that_waits_in_vain_is_503_and_says_how_far_the_view_is() {
    let toy = five().await;
    let waits = [
        (&[][..], 5),
        (&["wait=2"], 2),
        (&["respond-async, wait=0;x=y"], 0),
        (&["handling=lenient", "Wait=99"], 30),
    ];
    for (prefer, seconds) in waits {
        let prefer = prefer.iter().map(|prefer| ("prefer", *prefer));
        let headers: Vec<_> = prefer.chain([("callboard-position", "toy:6")]).collect();
        let begun = Instant::now();
        let answer = toy.get_with("/counters", &headers).await;
        let detail = answer.problem(503, "view-behind")["detail"].clone();
        assert_eq!(detail, "The view totals is at position 5, not yet at 6.");
        assert_eq!(answer.header("callboard-position"), Some("toy:5"));
        let waited = begun.elapsed();
        let (least, most) = (
            Duration::from_secs(seconds),
            Duration::from_secs(seconds) + Duration::from_millis(100),
        );
        assert!((least..most).contains(&waited), "{headers:?} waited for {waited:?}");
    }
}

#[tokio::test]
async fn an_applied_preference_is_told() {
    let toy = five().await;
    let answer = toy.get_with("/counters", &[("prefer", "wait=99")]).await;
    assert_eq!(answer.header("preference-applied"), Some("wait=30"));
    assert_eq!(toy.get("/counters/a").await.header("preference-applied"), None);
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_waiting_queries() {
    let toy = five().await;
    let headers = [("callboard-position", "toy:6"), ("prefer", "wait=30")];
    let begun = Instant::now();
    let (answer, ()) = tokio::join!(biased; toy.get_with("/counters", &headers), async { toy.draining.cancel() });
    answer.problem(503, "view-behind");
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn positions_of_other_known_logs_are_ignored_and_garbage_is_400() {
    let toy = five().await;
    for fine in ["toy:5", "other:7", "other:7,toy:0", " toy:1 , toy:5 ", "toy:0"] {
        let answer = toy.get_with("/counters", &[("callboard-position", fine)]).await;
        assert_eq!(answer.status, 200, "{fine}");
    }
    let several = [("callboard-position", "toy:1"), ("callboard-position", "other:1")];
    assert_eq!(toy.get_with("/counters", &several).await.status, 200);
    let garbage = [
        "",
        "toy",
        "toy:",
        "toy:x",
        "toy:-1",
        "toy:1,",
        "unknown:1",
        "toy:1;other:2",
        "toy:9223372036854775808",
        "ä:1",
    ];
    for value in garbage {
        let answer = toy.get_with("/counters", &[("callboard-position", value)]).await;
        answer.invalid("invalid-header", "/callboard-position");
    }
    for prefer in ["wait=x", "wait=", "wait", "wait=-1", "wait=1.5"] {
        toy.get_with("/counters", &[("prefer", prefer)])
            .await
            .invalid("invalid-header", "/prefer");
    }
}

#[tokio::test]
async fn answers_are_json_and_carry_a_correlation_id() {
    let answer = five()
        .await
        .get_with("/counters", &[("x-correlation-id", "mine")])
        .await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("x-correlation-id"), Some("mine"));
    assert!(matches!(answer.json(), Value::Array(rows) if rows.len() == 5));
}
