//! A service whose connections for queries are all taken.

use conformance::Api;
use conformance::system::Ground;
use futures::future::join_all;

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
