//! Two services with a daily cycle each.

use conformance::finance::FINANCE;
use conformance::support::eventually;
use jiff::{Span, ToSpan};
use serde_json::json;

use super::pair::pair;

#[tokio::test]
async fn two_services_that_missed_the_same_dates_cycle_each_once_and_in_order() {
    let pair = pair().await;
    let today = pair.ground.clock.date();
    // Each time both find the same dates due, at about the same moment.
    for days in [1, 8, 9, 30] {
        let newest = today + Span::new().days(days);
        pair.ground.clock.set(newest);
        eventually("the newest date is cycled", async || {
            let events = pair.b.events_of(FINANCE, 0).await;
            (events.last()?["data"]["new_date"] == json!(newest)).then_some(())
        })
        .await;
    }
    // Whoever was behind has looked again: the next date is the only one left.
    let last = today + 31.days();
    pair.ground.clock.set(last);
    let events = eventually("the last date is cycled", async || {
        let events = pair.b.events_of(FINANCE, 0).await;
        (events.last()?["data"]["new_date"] == json!(last)).then_some(events)
    })
    .await;
    let dates: Vec<_> = events.iter().map(|event| &event["data"]["new_date"]).collect();
    let expected: Vec<_> = (0..=31).map(|days| json!(today + Span::new().days(days))).collect();
    assert_eq!(dates, expected.iter().collect::<Vec<_>>());
    pair.stop().await;
}
