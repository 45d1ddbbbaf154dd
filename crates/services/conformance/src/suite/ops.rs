//! Health and metrics, on the ops listener of every service.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use callboard::Context;
use finance::Finance;
use serde_json::{Value, json};
use tickets::Tickets;
use warehouse::Warehouse;

use crate::api::Api;
use crate::support::eventually;
use crate::system::{SUBSCRIBERS, System, Topology};
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
        let shown = api.metric(ops, "callboard_subscriber_mode", "").await;
        assert!(shown >= 1.0, "each subscriber is in a mode");
        let details: Vec<_> = checks.iter().filter_map(|check| check["details"].as_array()).collect();
        assert!(!details.is_empty(), "it says how its parts are doing: {checks:?}");
        subscribers(api, ops).await;
        let routes = api.ops(ops, "/routes").await.with_status(200);
        let shown = routes.rows().iter().map(|row| json!([row["log"], row["command"]]));
        let shown: BTreeSet<String> = shown.map(|row| row.to_string()).collect();
        assert_eq!(shown, every_command(), "every command of every context");
    }
    commanding(system).await;
    answers.found("recorded", made.position());
    answers
}

/// Every command of every context, with its log.
fn every_command() -> BTreeSet<String> {
    let of = |log: &str, names: Vec<&'static str>| -> Vec<String> {
        let rows = names.into_iter().map(|name| json!([log, name]).to_string());
        rows.collect()
    };
    let warehouse = Warehouse::router().commands().map(|(name, _)| name).collect();
    let tickets = Tickets::router().commands().map(|(name, _)| name).collect();
    let finance = Finance::router().commands().map(|(name, _)| name).collect();
    let all = [
        of("warehouse", warehouse),
        of("tickets", tickets),
        of("finance", finance),
    ];
    all.into_iter().flatten().collect()
}

/// The command side tells how its writer and its relay are doing.
async fn commanding(system: &System) {
    let mut expected = vec!["writer of warehouse: deciding"];
    if system.topology == Topology::Brokered {
        expected.push("relay of warehouse: holding the lease, publishing");
    }
    eventually("it tells of its writer and relay", async || {
        let verbose = system.api.ops(system.replicas[0].ops, "/readyz?verbose").await;
        let checks = verbose.body["checks"].as_array().expect("a list").clone();
        let logs = checks.iter().find(|check| check["name"] == "logs").expect("the check");
        let told = logs["details"].to_string();
        expected.iter().all(|line| told.contains(line)).then_some(())
    })
    .await;
}

/// Every ops listener shows every subscriber, and takes orders about each.
async fn subscribers(api: &Api, ops: SocketAddr) {
    let listed = api.ops(ops, "/admin/subscribers").await.with_status(200);
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let names: BTreeSet<_> = listed
        .rows()
        .iter()
        .map(|row| (text(&row["log"]), text(&row["name"])))
        .collect();
    let all = SUBSCRIBERS.iter().map(|(log, name)| ((*log).into(), (*name).into()));
    assert_eq!(names, all.collect());
    assert_eq!(listed.rows().len(), SUBSCRIBERS.len());
    for row in listed.rows() {
        assert_eq!((&row["state"], &row["parked"]), (&json!("running"), &json!(0)), "{row}");
    }
    let parked = "/admin/subscribers/warehouse/products/parked";
    assert_eq!(api.ops(ops, parked).await.with_status(200).body, json!([]));
    let retry = json!({ "all": true });
    api.order(ops, &format!("{parked}/retry"), &retry)
        .await
        .problem(404, "not-parked");
    let discard = json!({ "position": 1, "reason": "for the test" });
    api.order(ops, &format!("{parked}/discard"), &discard)
        .await
        .problem(404, "not-parked");
    let none = "/admin/subscribers/warehouse/none/pause";
    api.order(ops, none, &json!({})).await.problem(404, "not-found");
}

/// A projection that an operator pauses stands still, says so on every ops listener, and goes on
/// where it was.
pub(super) async fn pause(system: &System) -> Transcript {
    let (api, mut answers) = (&system.api, Transcript::new());
    let made = api.increase("paused", 50).send().await.done();
    assert_eq!(api.quantity("paused", made.position()).await, Some(50));
    let order = "/admin/subscribers/warehouse/products";
    let all: Vec<_> = system.ops().collect();
    let reason = json!({ "reason": "a closer look" });
    let paused = api
        .order(all[0], &format!("{order}/pause"), &reason)
        .await
        .with_status(200);
    assert_eq!(
        (&paused.body["from"], &paused.body["to"]),
        (&json!("running"), &json!("paused"))
    );
    for ops in &all {
        let listed = api.ops(*ops, "/admin/subscribers").await.with_status(200);
        let mut rows = listed.rows().iter();
        let products = rows.find(|row| row["log"] == "warehouse" && row["name"] == "products");
        let products = products.expect("the projection");
        assert_eq!(
            (&products["state"], &products["reason"]),
            (&json!("paused"), &reason["reason"]),
            "{products}"
        );
    }
    if system.topology != Topology::Inline {
        // Where it runs by itself, whoever runs it isn't ready until it is resumed.
        eventually("readiness names it", async || {
            let ready = api.ops(all[all.len() - 1], "/readyz").await;
            ready.body.to_string().contains("a closer look").then_some(())
        })
        .await;
    }
    let more = api.increase("paused", 5).send().await.done();
    assert_eq!(api.quantity("paused", 0).await, Some(50), "it stands still");
    let resumed = api
        .order(all[all.len() - 1], &format!("{order}/resume"), &json!({}))
        .await
        .with_status(200);
    assert_eq!(
        (&resumed.body["from"], &resumed.body["to"]),
        (&json!("paused"), &json!("running"))
    );
    // Inline, the next append brings it to the head.
    let last = api.increase("paused", 1).send().await.done();
    eventually("it goes on", async || {
        (api.quantity("paused", 0).await == Some(56)).then_some(())
    })
    .await;
    assert!(last.position() > more.position());
    answers.found("recorded", last.position());
    answers
}
