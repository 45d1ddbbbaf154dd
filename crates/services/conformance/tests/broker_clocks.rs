//! Hosts whose clocks are wrong.

use conformance::Api;
use conformance::finance::FINANCE;
use conformance::support::eventually;
use conformance::system::{Ground, command, projector};

/// The database's clock, as the statements of services see it, is so much ahead of their hosts' own.
const AHEAD: &str = "26 hours";

async fn set_ahead(ground: &Ground) {
    let clock = format!(
        "create schema ahead;
         create function ahead.clock_timestamp() returns timestamptz language sql volatile
         as $$ select pg_catalog.clock_timestamp() + interval '{AHEAD}' $$;
         grant usage on schema ahead to public;
         alter database \"{}\" set search_path = ahead, pg_catalog",
        ground.database.name()
    );
    ground.database.execute(&clock).await;
}

/// The date that the database has, in UTC.
async fn date(ground: &Ground) -> String {
    let date = "select (ahead.clock_timestamp() at time zone 'UTC')::date::text";
    ground.database.texts(date).await.remove(0)
}

#[tokio::test]
async fn services_on_hosts_whose_clocks_are_wrong_go_by_the_databases() {
    let ground = Ground::new().await;
    set_ahead(&ground).await;
    let mut config = ground.config();
    config.clock = None;
    let before = date(&ground).await;
    let services = [command(config.clone()).await, command(config.clone()).await];
    let projector = projector(config).await;
    let apis = services
        .each_ref()
        .map(|service| Api::new(service.http, projector.http));
    for service in services.iter().chain([&projector]) {
        apis[0].until_ready(service.ops).await;
    }
    // Once, although both have looked, and of the date that they share.
    let began = eventually("the calendar begins", async || {
        let dates = apis[0].list_of(FINANCE, "/finance/calendar", 0).await;
        dates.first().map(|row| row["new_date"].clone())
    })
    .await;
    assert!(
        [before, date(&ground).await].iter().any(|date| began == *date),
        "{began}"
    );
    let cycled = apis[0].events_of(FINANCE, 0).await;
    assert_eq!(cycled.iter().filter(|event| event["type"] == "SystemCycled").count(), 1);
    // Order is the log's, and the lease holds: one relay publishes, and the views follow.
    for number in 0..20 {
        apis[number % 2].increase("clock", 1).send().await.done();
    }
    let head = apis[0].head().await;
    assert_eq!((head, apis[1].quantity("clock", head).await), (20, Some(20)));
    let leases = "select count(*)::text from callboard.relays where leased_until > ahead.clock_timestamp()";
    eventually("each log has one relay", async || {
        (ground.database.texts(leases).await == ["3"]).then_some(())
    })
    .await;
    for service in services {
        service.stop().await;
    }
    projector.stop().await;
}
