//! Health and metrics, on the ops listener of every service.

use crate::support::eventually;
use crate::system::System;
use crate::transcript::Transcript;

pub(super) async fn ops(system: &System) -> Transcript {
    let (api, mut answers) = (&system.api, Transcript::new());
    let made = api.increase("measured", 50).send().await.done();
    for ops in system.ops() {
        let live = api.ops(ops, "/livez").await.with_status(200);
        assert_eq!(live.body["status"], "live");
        let ready = api.ops(ops, "/readyz").await.with_status(200);
        assert_eq!(ready.body["status"], "ready");
        let verbose = api.ops(ops, "/readyz?verbose").await.with_status(200);
        let checks = verbose.body["checks"].as_array().expect("a list").clone();
        assert!(
            !checks.is_empty() && checks.iter().all(|check| check["ok"] == true),
            "{checks:?}"
        );
        api.ops(ops, "/readyz?loud").await.problem(400, "invalid-query");
        api.ops(ops, "/warehouse/products").await.problem(404, "no-such-route");
        let page = api.ops(ops, "/metrics").await.with_status(200);
        assert!(page.header("content-type").starts_with("text/plain"), "{page:?}");
        eventually("metrics show the subscribers", async || {
            let applied = api.metric(ops, "callboard_subscriber_checkpoint", "subscriber=").await;
            (applied >= made.position() as f64).then_some(())
        })
        .await;
    }
    answers.found("recorded", made.position());
    answers
}
