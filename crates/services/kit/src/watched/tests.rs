//! What readiness makes of a subscriber's status.

use std::time::Duration;

use callboard::subscription::{Mode, Status, Suffering};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Watched;

/// A subscriber that lives on its feed and has suffered for so many seconds.
fn watched(suffer: impl FnOnce(&mut Status, Suffering), seconds: u64) -> Watched {
    let mut status = Status {
        mode: Mode::Live,
        ..Status::default()
    };
    let reason = "column \"weight\" does not exist".into();
    let since = Instant::now() - Duration::from_secs(seconds);
    suffer(&mut status, Suffering { since, reason });
    let watched = Watched::default();
    watched.projection("warehouse", "products", watch::Sender::new(status).subscribe());
    watched
}

#[test]
fn a_subscriber_that_cannot_go_on_is_shown_at_once_and_unwell_after_a_while() {
    let failing = |seconds| watched(|status, failing| status.failing = Some(failing), seconds);
    failing(8).check_subscribers().expect("most troubles are over sooner");
    let shown = failing(8).show_subscribers().join("");
    assert!(shown.contains("; failing for 8 s: column"), "{shown}");
    let unwell = failing(10).check_subscribers().expect_err("it isn't well");
    assert!(unwell.contains("warehouse.products can't go on: column"), "{unwell}");
}

#[test]
fn a_subscriber_whose_feed_is_deaf_is_unwell_as_long_as_it_claims_to_live_on_it() {
    let deaf = |mode: Mode| {
        let suffer = |status: &mut Status, deaf| (status.mode, status.deaf) = (mode, Some(deaf));
        watched(suffer, 10)
    };
    deaf(Mode::Live).check_subscribers().expect_err("it isn't well");
    let from_log = deaf(Mode::FromLog);
    from_log
        .check_subscribers()
        .expect("without a feed there is nothing to be deaf");
}
