//! Queries that wait for what they must include.

use std::time::{Duration, Instant};

use crate::system::System;
use crate::transcript::Transcript;

pub(super) async fn waiting(system: &System) -> Transcript {
    let (api, mut answers) = (&system.api, Transcript::new());
    let before = api.head().await;
    let path = "/warehouse/products/awaited";

    // Asked before it is there, and answered with it.
    let query = api.get(path).at(before + 1).header("prefer", "wait=10").send();
    let command = async { api.increase("awaited", 50).send().await.done() };
    let (answer, receipt) = tokio::join!(query, command);
    assert_eq!(receipt.position(), before + 1);
    let answer = answers.note("waits", answer.with_status(200));
    assert_eq!(answer.body["quantity"], 50);
    assert_eq!(answer.header("preference-applied"), "wait=10");
    assert_eq!(answer.header("callboard-position"), format!("warehouse:{}", before + 1));

    for path in [path, "/warehouse/products", "/warehouse/low_stock"] {
        // Every view comes to the head by itself; then it has nothing more to come to.
        api.get(path).at(before + 1).send().await;
        let asked = Instant::now();
        let late = api.get(path).at(before + 2).header("prefer", "wait=1").send().await;
        let late = answers.note(path, late.problem(503, "view-behind"));
        assert!(asked.elapsed() >= Duration::from_secs(1));
        assert_eq!(late.header("callboard-position"), format!("warehouse:{}", before + 1));
    }
    let asked = Instant::now();
    let now = api.get(path).at(before + 9).header("prefer", "wait=0").send().await;
    answers.note("without waiting", now.problem(503, "view-behind"));
    assert!(asked.elapsed() < Duration::from_secs(1));

    let present = format!("warehouse:{}", before + 1);
    for several in [
        format!("warehouse:1, {present}"),
        format!("{present},warehouse:0"),
        format!("  {present}  "),
    ] {
        let answer = api.get(path).header("callboard-position", &several).send().await;
        answers.note("several", answer.with_status(200));
    }
    for wrong in [
        "warehouse",
        "warehouse:",
        "warehouse:x",
        "warehouse:-1",
        "warehouse:+1",
        "warehouse:01",
        ":1",
        "nolog:1",
        "warehouse:1,",
        "warehouse:9223372036854775808",
    ] {
        let answer = api.get(path).header("callboard-position", wrong).send().await;
        answers.note(wrong, answer.problem(400, "invalid-header").at("/callboard-position"));
    }
    let answer = api.get(path).header("prefer", "wait=soon").send().await;
    answers.note("no number", answer.problem(400, "invalid-header").at("/prefer"));
    let answer = api
        .get(path)
        .at(before + 1)
        .header("prefer", "respond-async, wait=99")
        .send()
        .await;
    let answer = answers.note("too long", answer.with_status(200));
    assert_eq!(answer.header("preference-applied"), "wait=30");
    answers
}
