//! A service whose connections are all taken.

use std::time::{Duration, Instant};

use conformance::Api;
use conformance::support::eventually;
use conformance::system::{Ground, inline};
use futures::future::join_all;

/// How soon whoever gets no connection is told to come again.
const TOLD_WITHIN: Duration = Duration::from_secs(3);

#[tokio::test]
async fn while_every_connection_waits_queries_answer_503_and_commands_and_health_go_on() {
    let ground = Ground::new().await;
    let service = ground.inline().await;
    let api = Api::new(service.http, service.http);
    api.until_ready(service.ops).await;
    api.increase("before", 5).send().await.done();
    // Whoever reads the view waits for this lock, with a connection in hand.
    let held = ground
        .database
        .hold("lock table warehouse.low_stock in access exclusive mode")
        .await;
    let asked = (0..64).map(|_| async { api.get("/warehouse/low_stock").send().await });
    let asking = join_all(asked);
    let meanwhile = async {
        api.ops(service.ops, "/livez").await.with_status(200);
        api.ops(service.ops, "/metrics").await.with_status(200);
        // Commands have connections of their own.
        api.command(reqwest::Method::POST, "/warehouse/products/-/ship_quantity")
            .body(r#"{"quantity": 0}"#)
            .send()
            .await
            .with_status(400);
    };
    let (answers, ()) = tokio::join!(asking, meanwhile);
    for answer in answers {
        let answer = answer.with_status(503);
        assert!(answer.headers.contains_key("retry-after"), "{:?}", answer.headers);
    }
    held.release().await;
    api.get("/warehouse/low_stock").send().await.with_status(200);
    api.increase("after", 5).send().await.done();
    service.stop().await;
}

#[tokio::test]
async fn while_every_connection_to_the_log_waits_commands_answer_503_in_time_and_queries_and_health_go_on() {
    let ground = Ground::new().await;
    let mut config = ground.config();
    // One of them for all reads of logs.
    config.database_connections = 4;
    let service = inline(config).await;
    let api = Api::new(service.http, service.http);
    api.until_ready(service.ops).await;
    api.increase("before", 5).send().await.done();
    // Whoever reads the log waits for this lock, with the connection in hand.
    let held = ground
        .database
        .hold("lock table callboard.events in access exclusive mode")
        .await;
    let increase = |number| api.increase(&format!("new-{number}"), 5).key(&format!("key-{number}"));
    let commanding = join_all((0..64).map(|number| async move {
        let began = Instant::now();
        (increase(number).send().await, began.elapsed())
    }));
    let meanwhile = async {
        api.ops(service.ops, "/livez").await.with_status(200);
        api.ops(service.ops, "/metrics").await.with_status(200);
        let began = Instant::now();
        api.ops(service.ops, "/readyz").await;
        assert!(began.elapsed() < TOLD_WITHIN, "after {:?}", began.elapsed());
        // Queries have connections of their own.
        api.get("/warehouse/products").send().await.with_status(200);
    };
    let (answers, ()) = tokio::join!(commanding, meanwhile);
    for (answer, took) in answers {
        let name = answer.problem_name().to_owned();
        assert!(
            ["unavailable", "overloaded", "outcome-unknown"].contains(&&*name),
            "{answer:?}"
        );
        answer.problem(503, &name);
        assert!(took < TOLD_WITHIN, "{name} after {took:?}");
    }
    held.release().await;
    for number in 0..64 {
        eventually("each is done, once", async || {
            let answer = increase(number).send().await;
            (answer.status == 200).then(|| answer.done())
        })
        .await;
    }
    assert_eq!(api.head().await, 65);
    service.stop().await;
}
