//! Events that a projection can't apply, in the pair: it stands aside for them and nothing else.

use std::net::SocketAddr;

use callboard::log::LogReader;
use callboard::{Position, StreamName};
use conformance::support::eventually;
use conformance::{Api, System, Topology, backlog};
use futures::future::join_all;
use serde_json::{Value, json};

const PARKED: &str = "/admin/subscribers/warehouse/products/parked";

/// Records an event at position 2 that only newer code knows, in a stream of its own.
async fn record_future(system: &System, change: impl FnOnce(&mut callboard::Recorded)) {
    let database = &system.ground().database;
    let mut events = backlog::log(database)
        .read(Position::START, 1)
        .await
        .expect("the log can be read")
        .events;
    let mut future = events.remove(0);
    future.position = Position::new(2);
    future.stream = StreamName::of("product", "future");
    future.id = uuid::Uuid::now_v7();
    future.event.data =
        callboard::to_json(&json!({ "sku": "future", "quantity": 5, "quantity_on_hand": 5 })).expect("plain data");
    change(&mut future);
    backlog::put(database, &[future]).await;
}

/// What readiness says about a subscriber.
async fn detail(api: &Api, ops: SocketAddr, name: &str) -> String {
    let verbose = api.ops(ops, "/readyz?verbose").await;
    let checks = verbose.body["checks"].as_array().expect("a list").clone();
    let check = checks
        .iter()
        .find(|check| check["name"] == "subscribers")
        .expect("the check");
    let details = check["details"].as_array().expect("a list");
    let of = |detail: &&Value| {
        detail
            .as_str()
            .is_some_and(|text| text.starts_with(&format!("warehouse.{name}: ")))
    };
    details
        .iter()
        .find(of)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

async fn until_detail(api: &Api, ops: SocketAddr, name: &str, says: &str) {
    eventually(&format!("{name} {says}"), async || {
        detail(api, ops, name).await.contains(says).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_older_projector_stands_aside_for_an_event_of_an_unknown_version_and_never_skips_it() {
    let mut system = System::start(Topology::Brokered).await;
    let (api, ops) = (&system.api, system.replicas[1].ops);
    api.increase("known", 50).send().await.done();
    api.get("/warehouse/products").at(1).send().await.with_status(200);
    record_future(&system, |future| future.event.schema_version = 9).await;
    let next = api.increase("known", 1).send().await.done();
    assert_eq!(next.position(), 3);
    for path in ["/warehouse/products", "/warehouse/low_stock"] {
        let answer = api.get(path).at(3).send().await.with_status(200);
        assert_eq!(answer.header("callboard-incomplete"), "parked=1", "{answer:?}");
        assert_eq!(answer.header("callboard-position"), "warehouse:3", "{answer:?}");
    }
    assert_eq!(api.quantity("known", 3).await, Some(51), "other streams go on");
    assert_eq!(api.quantity("future", 3).await, None);
    until_detail(api, ops, "products", "parked=1").await;
    api.ops(ops, "/readyz").await.with_status(200);
    let parked = api.ops(ops, PARKED).await.with_status(200);
    assert_eq!(parked.body[0]["cause"], "undecodable", "{parked:?}");
    assert_eq!(parked.body[0]["position"], 2, "{parked:?}");
    assert!(
        parked.body[0]["reason"].as_str().expect("text").contains('9'),
        "{parked:?}"
    );
    // Newer code is a new process, and reads a known event there. It takes it up by itself.
    system.replicas.remove(1).stop().await;
    let upgraded = "update callboard.events set schema_version = 1 where position = 2";
    system.ground().database.execute(upgraded).await;
    let newer = system.ground().projector().await;
    let api = Api::new(system.replicas[0].http, newer.http);
    system.replicas.push(newer);
    eventually("it is taken up", async || {
        (api.quantity("future", 3).await == Some(5)).then_some(())
    })
    .await;
    eventually("the view is whole", async || {
        let answer = api.get("/warehouse/products").at(3).send().await.with_status(200);
        answer.header("callboard-incomplete").is_empty().then_some(())
    })
    .await;
    system.stop().await;
}

#[tokio::test]
async fn a_process_manager_halts_loudly_at_an_event_that_it_cannot_read_and_commands_go_on() {
    let system = System::start(Topology::Brokered).await;
    let (api, ops) = (&system.api, system.replicas[0].ops);
    let known = api.increase("halted", 50).send().await.done();
    api.get("/warehouse/products").at(1).send().await.with_status(200);
    record_future(&system, |future| future.event.event_type = "ProductTeleported".into()).await;
    let name = "low-product-quantity-notification";
    eventually("it halts", async || {
        let ready = api.ops(ops, "/readyz").await;
        let detail = ready.body["detail"].as_str().unwrap_or_default().to_owned();
        let said = detail.contains(&format!("warehouse.{name} is halted"))
            && detail.contains("position 2")
            && detail.contains("ProductTeleported");
        (ready.status == 503 && said).then_some(())
    })
    .await;
    until_detail(api, ops, name, "halted").await;
    let mode = format!("subscriber=\"{name}\",mode=\"halted\"");
    eventually("the metrics say so", async || {
        (api.metric(ops, "callboard_subscriber_mode", &mode).await >= 1.0).then_some(())
    })
    .await;
    let path = format!("/admin/subscribers/warehouse/{name}/parked");
    api.ops(ops, &path).await.problem(409, "never-parks");
    // Commands go on, and the views answer with what they have.
    let ship = api.ship("halted", 10).if_version(known.version()).send().await.done();
    assert_eq!(ship.position(), 3);
    api.ops(ops, "/livez").await.with_status(200);
    assert_eq!(api.quantity("halted", 3).await, Some(40));
    system.stop().await;
}

#[tokio::test]
async fn a_poisonous_event_parks_its_stream_alone_and_both_services_can_deal_with_it() {
    let system = System::start(Topology::Brokered).await;
    let (api, ground) = (&system.api, system.ground());
    let (commands, projector) = (system.replicas[0].ops, system.replicas[1].ops);
    let poison = "alter table warehouse.low_stock add constraint no_poison check (sku <> 'poison')";
    ground.database.execute(poison).await;
    api.increase("poison", 10).send().await.done();
    let shipped = api.ship("poison", 8).send().await.done();
    let notified = api.notified(shipped.position()).await;
    assert_eq!(
        api.quantity("poison", notified).await,
        Some(2),
        "other subscribers go on"
    );
    let all = join_all((0..20).map(|_| api.increase("fine", 5).send())).await;
    let heads = all.into_iter().map(|answer| answer.done().position());
    let head = heads.max().expect("some");
    assert_eq!(api.quantity("fine", head).await, Some(100));
    let low = api.get("/warehouse/low_stock").at(head).send().await.with_status(200);
    assert_eq!(
        low.header("callboard-incomplete"),
        "parked=2",
        "the shipment, and the notification behind it"
    );
    assert!(low.rows().is_empty(), "nothing of it is shown: {low:?}");
    for ops in system.ops() {
        api.ops(ops, "/readyz").await.with_status(200);
        let listed = api.ops(ops, "/admin/subscribers").await.with_status(200);
        let low = listed
            .rows()
            .iter()
            .find(|row| row["name"] == "low_stock")
            .expect("it is there")
            .clone();
        assert_eq!((&low["parked"], &low["state"]), (&json!(2), &json!("running")), "{low}");
    }
    until_detail(api, projector, "low_stock", "parked=2").await;
    eventually("the metrics say so", async || {
        let parked = api
            .metric(projector, "callboard_parked_events", "subscriber=\"low_stock\"")
            .await;
        (parked == 2.0).then_some(())
    })
    .await;
    // The command service doesn't run it, and can deal with it all the same.
    let retry = "/admin/subscribers/warehouse/low_stock/parked/retry";
    let failed = api
        .order(commands, retry, &json!({ "all": true }))
        .await
        .with_status(200);
    assert_eq!(failed.body["failed"], 1, "{failed:?}");
    ground
        .database
        .execute("alter table warehouse.low_stock drop constraint no_poison")
        .await;
    let done = api
        .order(commands, retry, &json!({ "positions": [2] }))
        .await
        .with_status(200);
    assert_eq!(
        done.body["groups"],
        json!([{ "positions": [2, notified], "outcome": "applied" }]),
        "{done:?}"
    );
    let low = api.get("/warehouse/low_stock").at(head).send().await.with_status(200);
    assert_eq!(
        (low.rows().len(), &low.rows()[0]["sku"]),
        (1, &json!("poison")),
        "{low:?}"
    );
    api.order(projector, retry, &json!({ "all": true }))
        .await
        .problem(404, "not-parked");
    system.stop().await;
}

/// Records a company in the log of finance with an event that only newer code knows; where it stands.
async fn record_future_company(system: &System) -> u64 {
    let api = &system.api;
    let made = api.post("/finance/companies", &json!({ "name": "Acme" })).send().await;
    let made = made.done_in("finance");
    let (id, another) = (made.body["id"].as_str().expect("text"), uuid::Uuid::now_v7());
    let position = made.position() + 1;
    let copy = format!(
        "insert into callboard.events \
             (log, position, stream, version, id, type, schema_version, data, metadata, recorded_at) \
         select log, {position}, replace(stream, '{id}', '{another}'), 1, gen_random_uuid(), type, 9, \
             replace(data::text, '{id}', '{another}')::json, metadata, recorded_at \
         from callboard.events where log = 'finance' and position = {}",
        made.position()
    );
    system.ground().database.execute(&copy).await;
    position
}

#[tokio::test]
async fn both_process_managers_that_halt_at_an_event_of_an_unknown_version_go_on_by_themselves_after_the_upgrade() {
    let mut system = System::start(Topology::Brokered).await;
    let ops = system.replicas[0].ops;
    system.api.increase("known", 50).send().await.done();
    system
        .api
        .get("/warehouse/products")
        .at(1)
        .send()
        .await
        .with_status(200);
    record_future(&system, |future| future.event.schema_version = 9).await;
    let company = record_future_company(&system).await;
    for name in ["warehouse.low-product-quantity-notification", "finance.late-fees"] {
        eventually("it halts", async || {
            let ready = system.api.ops(ops, "/readyz").await;
            let detail = ready.body["detail"].as_str().unwrap_or_default().to_owned();
            detail.contains(&format!("{name} is halted")).then_some(())
        })
        .await;
    }
    // Newer code is a new process, and reads known events there.
    system.replicas.remove(0).stop().await;
    let upgraded = format!(
        "update callboard.events set schema_version = 1 \
         where (log, position) in (('warehouse', 2), ('finance', {company}))"
    );
    system.ground().database.execute(&upgraded).await;
    let newer = system.ground().command().await;
    let api = Api::new(newer.http, system.replicas[0].http);
    system.replicas.insert(0, newer);
    api.until_ready(system.replicas[0].ops).await;
    let sold = api.ship("known", 50).send().await.done();
    api.notified(sold.position()).await;
    // The projector is of the older code still, and its projections may stand.
    let managers = "select name || ' ' || state from callboard.subscribers \
                    where name in ('low-product-quantity-notification', 'late-fees') order by name";
    assert_eq!(
        system.ground().database.texts(managers).await,
        ["late-fees running", "low-product-quantity-notification running"]
    );
    system.stop().await;
}
