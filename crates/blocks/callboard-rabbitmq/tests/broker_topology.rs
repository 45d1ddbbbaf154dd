//! Declaring, and what differs.

mod support;

use callboard::error_chain;
use callboard::subscription::Connect;
use callboard_rabbitmq::testing::Sandbox;
use callboard_rabbitmq::topology::{Item, State};
use callboard_rabbitmq::{Broker, BrokerError, QueueFeeds};
use lapin::ExchangeKind;
use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use support::{LOG, Outsider};

const SUBSCRIBERS: [(&str, &str); 2] = [(LOG, "products"), ("finance", "balances")];

fn states(items: &[Item]) -> Vec<(&str, &State)> {
    items.iter().map(|item| (item.kind, &item.state)).collect()
}

#[tokio::test]
async fn what_is_missing_is_declared_once_and_then_fine() {
    let sandbox = Sandbox::new(&SUBSCRIBERS);
    let broker = sandbox.broker();
    let kinds = ["exchange", "exchange", "exchange", "queue", "queue", "queue"];
    let all = |state: &'static State| kinds.map(|kind| (kind, state)).to_vec();
    assert_eq!(
        states(&sandbox.topology.check(&broker, &SUBSCRIBERS).await.unwrap()),
        all(&State::Missing)
    );
    assert_eq!(
        states(&sandbox.topology.apply(&broker, &SUBSCRIBERS).await.unwrap()),
        all(&State::Declared)
    );
    assert_eq!(
        states(&sandbox.topology.apply(&broker, &SUBSCRIBERS).await.unwrap()),
        all(&State::Fine)
    );
    let items = sandbox.topology.check(&broker, &SUBSCRIBERS).await.unwrap();
    assert_eq!(states(&items), all(&State::Fine));
    assert_eq!(items[4].name, format!("{}.warehouse.products", sandbox.prefix));
}

#[tokio::test]
async fn a_queue_that_differs_is_named_with_its_argument_and_the_way_out() {
    let sandbox = Sandbox::new(&SUBSCRIBERS);
    let queue = sandbox.topology.queue(LOG, "products");
    let outsider = Outsider::new().await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(5));
    let options = QueueDeclareOptions {
        durable: true,
        ..Default::default()
    };
    outsider
        .channel
        .queue_declare(queue.as_str().into(), options, arguments)
        .await
        .unwrap();

    let broker = sandbox.broker();
    let mut feeds = QueueFeeds::new(&broker, &sandbox.topology, LOG, "products");
    let error = error_chain(&feeds.connect().await.err().expect("the queue differs"));
    for part in [queue.as_str(), "x-max-length", "'5'", "callboard topology apply"] {
        assert!(error.contains(part), "{part} isn't in: {error}");
    }

    let items = sandbox.topology.check(&broker, &SUBSCRIBERS).await.unwrap();
    assert!(
        matches!(&items[4].state, State::Differs { argument, .. } if argument == "x-max-length"),
        "{items:?}"
    );
    let items = sandbox.topology.apply(&broker, &SUBSCRIBERS).await.unwrap();
    assert_eq!(
        (items[4].name.as_str(), &items[4].state),
        (queue.as_str(), &State::Replaced)
    );
    feeds.connect().await.expect("the queue is as it should be");
}

#[tokio::test]
async fn an_exchange_that_differs_is_replaced_and_bound_again() {
    let sandbox = Sandbox::new(&SUBSCRIBERS);
    let broker = sandbox.broker();
    let outsider = Outsider::new().await;
    let options = ExchangeDeclareOptions {
        durable: true,
        ..Default::default()
    };
    let names = [sandbox.topology.events(), sandbox.topology.frames()];
    for name in &names {
        let (name, none) = (name.as_str().into(), FieldTable::default());
        let declared = outsider
            .channel
            .exchange_declare(name, ExchangeKind::Fanout, options, none);
        declared.await.unwrap();
    }
    let items = sandbox.topology.check(&broker, &SUBSCRIBERS).await.unwrap();
    for item in &items[..2] {
        assert!(
            matches!(&item.state, State::Differs { argument, .. } if argument == "type"),
            "{items:?}"
        );
    }
    let items = sandbox.topology.apply(&broker, &SUBSCRIBERS).await.unwrap();
    assert_eq!([&items[0].state, &items[1].state], [&State::Replaced; 2]);
    // Subscribers' queues get frames, and nothing else.
    let key = format!("{LOG}.frame.v1");
    let properties = lapin::BasicProperties::default;
    assert!(!outsider.is_routed(&names[0], &key, properties(), b"?").await);
    assert!(outsider.is_routed(&names[1], &key, properties(), b"?").await);
}

#[tokio::test]
async fn a_broker_that_is_away_is_said_to_be_away() {
    let broker = Broker::new("amqp://guest:guest@127.0.0.1:1/%2f", "callboard-test").unwrap();
    let error = broker.probe().await.unwrap_err();
    assert!(matches!(error, BrokerError::Connect { .. }), "{error:?}");
    Sandbox::new(&[])
        .broker()
        .probe()
        .await
        .expect("the tests' broker answers");
}
