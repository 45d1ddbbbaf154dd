//! The ticket webhook in the pair.

mod webhook;

use std::collections::BTreeSet;

use conformance::support::eventually;
use conformance::{System, Topology};
use tickets::ticket_webhook::receiver::{Behaviour, Receiver};
use webhook::{add, assign, settings, until_received};

#[tokio::test]
async fn the_webhook_delivers_and_parks_brokered() {
    webhook::delivers(Topology::Brokered).await;
}

#[tokio::test]
async fn the_webhooks_rate_is_ordered_brokered() {
    webhook::is_limited(Topology::Brokered).await;
}

#[tokio::test]
async fn of_two_projectors_one_posts_and_a_killed_one_is_followed_by_the_other_which_loses_nothing() {
    let receiver = Receiver::start().await;
    let mut system = System::start_with(Topology::Brokered, settings(&receiver)).await;
    let second = system.ground().projector().await;
    let api = system.api.clone();
    let mut tickets = Vec::new();
    for number in 0..10 {
        tickets.push(add(&api).await);
        assign(&api, &tickets[number], "ann").await;
    }
    until_received(&receiver, 10).await;
    let keys = |from: usize| -> Vec<String> {
        receiver
            .received()
            .split_off(from)
            .iter()
            .map(|received| received.key().to_owned())
            .collect()
    };
    assert_eq!(keys(0).iter().collect::<BTreeSet<_>>().len(), 10);
    assert_eq!(receiver.received().len(), 10, "each once");

    // Killed in the middle of its tries: nothing of them is stored.
    receiver.always("bob", Behaviour::Silence);
    for ticket in &tickets {
        assign(&api, ticket, "bob").await;
    }
    until_received(&receiver, 11).await;
    drop(system.replicas.remove(1));
    // Counted first: whoever runs it may try again at once.
    let before = receiver.received().len();
    receiver.recover();
    eventually("the other one delivers all of them", async || {
        (keys(before).iter().collect::<BTreeSet<_>>().len() == 10).then_some(())
    })
    .await;
    let first: BTreeSet<_> = keys(10).into_iter().take(before - 10).collect();
    assert!(
        first.is_subset(&keys(before).into_iter().collect()),
        "again with the same keys"
    );
    second.stop().await;
    system.stop().await;
}

#[tokio::test]
async fn what_was_recorded_while_the_webhook_was_off_is_posted_when_it_is_on_again_and_nothing_older() {
    let receiver = Receiver::start().await;
    let mut system = System::start(Topology::Brokered).await;
    let api = system.api.clone();
    let ticket = add(&api).await;
    assign(&api, &ticket, "before").await;
    let on = callboard_kit::Config {
        handlers: settings(&receiver),
        ..system.ground().config()
    };
    system.replicas.remove(1).stop().await;
    let projector = conformance::system::projector(on.clone()).await;
    assign(&api, &ticket, "first").await;
    until_received(&receiver, 1).await;
    projector.stop().await;
    let off = system.ground().projector().await;
    assign(&api, &ticket, "meanwhile").await;
    off.stop().await;
    let projector = conformance::system::projector(on).await;
    until_received(&receiver, 2).await;
    let assignees: Vec<_> = receiver
        .received()
        .iter()
        .map(|each| each.body["data"]["assignee"].clone())
        .collect();
    assert_eq!(
        assignees,
        ["first", "meanwhile"],
        "it begins at the end, and goes on where it was"
    );
    projector.stop().await;
    system.stop().await;
}
