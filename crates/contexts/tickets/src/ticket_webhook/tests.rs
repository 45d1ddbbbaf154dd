use std::time::{Duration, Instant};

use callboard::event_handler::Settings;
use callboard::event_handler::testing::DummyProducer;
use callboard::log::LogReader;
use callboard::parking::{Cause, Parking, RetryOutcome, Selection};
use callboard::pipeline::{Outcome, Retry};
use callboard::{EventHandler, Position};
use serde_json::json;

use super::TicketWebhook;
use super::receiver::{Behaviour, Receiver};
use crate::event::samples::{STREAM, added, assigned, closed};

const OTHER: &str = "ticket-0192d9a4-7b8e-7c3f-8d2a-5f6e7a8b9c0e";

/// A webhook of little patience.
fn webhook(receiver: &Receiver) -> TicketWebhook {
    let settings = Settings::new()
        .with("TICKET_WEBHOOK_URL", receiver.url())
        .with("TICKET_WEBHOOK_SECRET", "hush");
    let webhook = TicketWebhook::from_settings(&settings)
        .expect("it can be made")
        .expect("it is on");
    TicketWebhook {
        retry: Retry {
            tries: 5,
            within: Duration::from_secs(20),
            least: Duration::from_millis(20),
            most: Duration::from_millis(1_500),
        },
        answer_within: Duration::from_millis(300),
        ..webhook
    }
}

async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work)
        .await
        .expect("it comes soon")
}

#[tokio::test]
async fn assignments_and_closings_are_posted_as_the_event_feed_shows_them_and_nothing_else_is() {
    let receiver = Receiver::start().await;
    let mut producer = DummyProducer::new(webhook(&receiver)).await;
    let mut adding = producer.produce(STREAM, added("No light")).await;
    let mut assigning = producer.produce(STREAM, assigned("ann")).await;
    let mut closing = producer.produce(STREAM, closed("A new bulb.", 1)).await;
    assert_eq!(soon(adding.done()).await, Outcome::Skipped);
    assert_eq!(soon(assigning.done()).await, Outcome::Handled);
    assert_eq!(soon(closing.done()).await, Outcome::Handled);
    let received = receiver.received();
    let events = producer.log().read(Position::new(1), 10).await.expect("a read").events;
    assert_eq!(received.len(), 2);
    for (received, event) in received.iter().zip(&events) {
        assert_eq!(
            received.body,
            serde_json::to_value(event.to_public("tickets")).expect("JSON")
        );
        assert_eq!(received.key(), event.id.to_string());
        assert_eq!(received.headers["content-type"], "application/json");
        assert_eq!(received.headers["authorization"], "Bearer hush");
    }
    assert_eq!(
        (&received[0].body["type"], &received[1].body["type"]),
        (&json!("TicketAssigned"), &json!("TicketClosed"))
    );
}

#[tokio::test]
async fn a_receiver_that_is_slow_answers_500_or_drops_the_connection_gets_it_again_with_the_same_key() {
    let receiver = Receiver::start().await;
    let behaviours = [
        Behaviour::Status(500),
        Behaviour::Drop,
        Behaviour::Silence,
        Behaviour::With(429, "retry-after: 1"),
    ];
    behaviours
        .into_iter()
        .for_each(|behaviour| receiver.next("TicketAssigned", behaviour));
    let mut producer = DummyProducer::new(webhook(&receiver)).await;
    let since = Instant::now();
    let mut event = producer.produce(STREAM, assigned("ann")).await;
    assert_eq!(soon(event.done()).await, Outcome::Handled);
    assert!(
        since.elapsed() >= Duration::from_millis(1_300),
        "the time-out and Retry-After took their time"
    );
    let received = receiver.received();
    assert_eq!(received.len(), 5);
    assert!(
        received
            .iter()
            .all(|each| each.key() == received[0].key() && each.body == received[0].body)
    );
}

#[tokio::test]
async fn a_receiver_that_refuses_connections_and_comes_back_gets_everything_in_order() {
    let mut receiver = Receiver::start().await;
    let mut producer = DummyProducer::new(webhook(&receiver)).await;
    receiver.go_away().await;
    let mut first = producer.produce(STREAM, assigned("ann")).await;
    let mut second = producer.produce(STREAM, assigned("bob")).await;
    soon(first.failed(1)).await;
    receiver.come_back().await;
    assert_eq!(soon(first.done()).await, Outcome::Handled);
    assert_eq!(soon(second.done()).await, Outcome::Handled);
    let assignees: Vec<_> = receiver
        .received()
        .iter()
        .map(|each| each.body["data"]["assignee"].clone())
        .collect();
    assert_eq!(assignees, ["ann", "bob"]);
}

#[tokio::test]
async fn what_the_receiver_keeps_refusing_is_parked_without_stopping_the_others_and_handed_over_again() {
    let receiver = Receiver::start().await;
    receiver.always("\"ann\"", Behaviour::Status(503));
    let mut producer = DummyProducer::new(webhook(&receiver)).await;
    let mut refused = producer.produce(STREAM, assigned("ann")).await;
    let mut behind = producer.produce(STREAM, closed("A new bulb.", 1)).await;
    let mut beside = producer.produce(OTHER, assigned("bob")).await;
    assert_eq!(soon(beside.done()).await, Outcome::Handled);
    let said = "the receiver answered 503 Service Unavailable";
    assert_eq!(soon(refused.done()).await, Outcome::Parked(said.into()));
    assert!(matches!(soon(behind.done()).await, Outcome::Parked(_)));
    let parking = producer.parking();
    let listed = parking.list().await.expect("a list");
    assert_eq!(
        listed.iter().map(|parked| parked.cause).collect::<Vec<_>>(),
        [Cause::Failed, Cause::Behind]
    );
    receiver.recover();
    let before = receiver.received().len();
    let retried = parking.retry(Selection::All, false).await.expect("an answer");
    assert_eq!(retried[0].outcome, RetryOutcome::Applied);
    let types: Vec<_> = receiver
        .received()
        .split_off(before)
        .iter()
        .map(|each| each.body["type"].clone())
        .collect();
    assert_eq!(types, ["TicketAssigned", "TicketClosed"], "in order");
}

#[tokio::test]
async fn what_the_receiver_will_never_take_is_parked_at_once() {
    let receiver = Receiver::start().await;
    receiver.next("TicketAssigned", Behaviour::Status(410));
    let mut producer = DummyProducer::new(webhook(&receiver)).await;
    let mut event = producer.produce(STREAM, assigned("ann")).await;
    assert_eq!(
        soon(event.done()).await,
        Outcome::Parked("the receiver answered 410 Gone".into())
    );
    assert_eq!(receiver.received().len(), 1);
}

#[test]
fn it_is_off_without_a_url_and_wrong_settings_are_named() {
    let made = |settings: &[(&str, &str)]| {
        let settings = settings
            .iter()
            .fold(Settings::new(), |all, (name, value)| all.with(*name, *value));
        TicketWebhook::from_settings(&settings).map(|webhook| webhook.is_some())
    };
    let url = ("TICKET_WEBHOOK_URL", "https://tickets.example/hook");
    assert_eq!(made(&[]), Ok(false));
    assert_eq!(
        made(&[("TICKET_WEBHOOK_URL", ""), ("TICKET_WEBHOOK_SECRET", "hush")]),
        Ok(false)
    );
    assert_eq!(made(&[url]), Ok(true));
    for (settings, name) in [
        (vec![("TICKET_WEBHOOK_URL", "tickets.example")], "TICKET_WEBHOOK_URL"),
        (
            vec![("TICKET_WEBHOOK_URL", "ftp://tickets.example")],
            "TICKET_WEBHOOK_URL",
        ),
        (vec![url, ("TICKET_WEBHOOK_SECRET", "a\nb")], "TICKET_WEBHOOK_SECRET"),
        (
            vec![url, ("TICKET_WEBHOOK_GIVE_UP_SECONDS", "0")],
            "TICKET_WEBHOOK_GIVE_UP_SECONDS",
        ),
        (
            vec![url, ("TICKET_WEBHOOK_GIVE_UP_SECONDS", "a day")],
            "TICKET_WEBHOOK_GIVE_UP_SECONDS",
        ),
    ] {
        assert_eq!(made(&settings).map_err(|error| error.name), Err(name));
    }
}

#[test]
fn nothing_secret_is_in_its_debug() {
    let settings = Settings::new()
        .with("TICKET_WEBHOOK_URL", "https://tickets.example/hook")
        .with("TICKET_WEBHOOK_SECRET", "hush");
    let webhook = TicketWebhook::from_settings(&settings).expect("it can be made");
    let shown = format!("{webhook:?} {settings:?}");
    assert!(!shown.contains("hush"), "{shown}");
}

#[tokio::test]
async fn what_is_said_of_a_receiver_that_cannot_be_reached_shows_nothing_of_its_url() {
    let settings = Settings::new().with("TICKET_WEBHOOK_URL", "http://127.0.0.1:1/hook?token=s3cret");
    let webhook = TicketWebhook::from_settings(&settings).expect("it can be made");
    let mut producer = DummyProducer::new(webhook.expect("it is on")).await;
    let mut posting = producer.produce(STREAM, assigned("ann")).await;
    let reason = soon(posting.failed(1)).await;
    assert!(!reason.contains("s3cret") && !reason.contains("/hook"), "{reason}");
}

#[test]
fn of_the_url_only_the_host_is_ever_shown() {
    let settings = Settings::new()
        .with(
            "TICKET_WEBHOOK_URL",
            "https://u:s3cret@desk.example.org/s3cret?token=s3cret#s3cret",
        )
        .with("TICKET_WEBHOOK_SECRET", "s3cret");
    let webhook = TicketWebhook::from_settings(&settings).expect("it can be made");
    let shown = format!("{webhook:?}");
    assert!(shown.contains("desk.example.org"), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
}
