//! Clients, databases and services that go away in the middle.

use std::time::Duration;

use conformance::random::Dice;
use conformance::support::{eventually, seed};
use futures::future::join_all;
use tokio::sync::watch;

use super::pair::{insist, pair};

#[tokio::test]
async fn a_client_that_goes_away_while_its_append_waits_for_the_lock_changes_nothing() {
    let pair = pair().await;
    pair.b.increase("left", 50).send().await.done();
    let lock = pair.lock().await;
    let leaving: Vec<_> = [&pair.a, &pair.b]
        .into_iter()
        .zip(["left-1", "left-2"])
        .map(|(api, key)| tokio::spawn(api.ship("left", 10).key(key).send()))
        .collect();
    pair.until_waiting(2).await;
    for client in leaving {
        client.abort();
        assert!(client.await.is_err(), "it went before there was an answer");
    }
    lock.release().await;
    // Each is done all the same, once, whoever comes first; later ones are not lost.
    for key in ["left-1", "left-2"] {
        let first = insist(|| pair.b.ship("left", 10).key(key)).await.done();
        let again = insist(|| pair.a.ship("left", 10).key(key)).await.done();
        assert!(again.is_replayed() && again.body == first.body);
    }
    for number in 1..=10 {
        let api = if number % 2 == 0 { &pair.a } else { &pair.b };
        assert_eq!(api.increase("left", 10).send().await.done().position(), 3 + number);
    }
    pair.until_quiet().await;
    assert_eq!(pair.b.quantity("left", 13).await, Some(130));
    pair.stop().await;
}

#[tokio::test]
async fn ten_thousand_clients_that_go_away_at_any_moment_leave_each_command_done_once_or_never_begun() {
    const ROUNDS: u64 = 100;
    const CLIENTS: u64 = 100;
    let pair = pair().await;
    let mut dice = Dice::new(seed());
    let key = |round, client| format!("fickle-{round}-{client}");
    for round in 0..ROUNDS {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let api = if client % 2 == 0 { &pair.a } else { &pair.b };
                let ask = api.increase("fickle", 1).key(&key(round, client));
                let patience = Duration::from_micros(dice.below(20_000));
                tokio::spawn(tokio::time::timeout(patience, ask.try_send()))
            })
            .collect();
        for client in clients {
            let _ = client.await.expect("a client does not panic");
        }
    }
    let all = ROUNDS * CLIENTS;
    for round in 0..ROUNDS {
        let keys: Vec<_> = (0..CLIENTS).map(|client| key(round, client)).collect();
        let again = join_all(keys.iter().map(|key| insist(|| pair.b.increase("fickle", 1).key(key)))).await;
        assert!(again.into_iter().all(|answer| answer.done().version() <= all));
    }
    assert_eq!(pair.b.head().await, all, "each once");
    assert_eq!(pair.b.quantity("fickle", all).await, Some(all.cast_signed()));
    pair.until_quiet().await;
    pair.stop().await;
}

#[tokio::test]
async fn a_service_that_keeps_losing_its_database_does_each_command_once() {
    const CUTS: usize = 29;
    let pair = pair().await;
    let (answered, mut progress) = watch::channel(0);
    let clients = (0..12).map(|client| {
        let api = if client % 3 == 0 {
            pair.b.clone()
        } else {
            pair.a.clone()
        };
        let answered = &answered;
        async move {
            for turn in 0..15 {
                let key = format!("shaken-{client}-{turn}");
                insist(|| api.increase("shaken", 1).key(&key)).await.done();
                answered.send_modify(|count| *count += 1);
            }
        }
    });
    // By what is answered, not by time: however fast they are, others are under way.
    let cutting = async {
        for cut in 1..=CUTS {
            let reached = progress.wait_for(|count| *count >= cut * 12 * 15 / (CUTS + 1)).await;
            drop(reached.expect("clients live"));
            pair.network.cut();
        }
    };
    futures::future::join(join_all(clients), cutting).await;
    let events = pair.b.events(0).await;
    assert_eq!(events.len(), 12 * 15, "each once");
    assert_eq!(events.last().expect("some")["data"]["quantity_on_hand"], 180);
    assert_eq!(pair.b.quantity("shaken", 180).await, Some(180));
    pair.stop().await;
}

#[tokio::test]
async fn a_service_whose_database_is_away_says_so_and_goes_on_when_it_is_back() {
    let pair = pair().await;
    pair.a.increase("away", 50).send().await.done();
    pair.network.refuse();
    let ship = || pair.a.ship("away", 10).key("away-1");
    let answer = ship().send().await;
    let name = answer.problem_name().to_owned();
    assert!(["unavailable", "outcome-unknown"].contains(&&*name), "{answer:?}");
    answer.problem(503, &name);
    eventually("its absence is said", async || {
        let ready = pair.a.ops(pair.replicas[0].ops, "/readyz").await;
        (ready.status == 503 && ready.body["detail"].as_str()?.contains("database")).then_some(())
    })
    .await;
    pair.a.ops(pair.replicas[0].ops, "/livez").await.with_status(200);
    // The other one goes on meanwhile.
    let other = pair.b.ship("away", 5).send().await.done();
    pair.network.accept();
    let done = insist(ship).await.done();
    assert!(done.position() > other.position() || done.is_replayed());
    pair.a.until_ready(pair.replicas[0].ops).await;
    assert_eq!(pair.b.head().await, 3, "each once");
    pair.assert_views().await;
    pair.stop().await;
}

#[tokio::test]
async fn each_low_shipment_is_notified_once_also_when_a_service_is_killed() {
    const PRODUCTS: usize = 40;
    let mut pair = pair().await;
    let skus: Vec<_> = (0..PRODUCTS).map(|number| format!("killed-{number}")).collect();
    let all = join_all(skus.iter().map(|sku| pair.b.increase(sku, 50).send())).await;
    assert!(all.into_iter().all(|answer| answer.status == 200));
    let api = pair.a.clone();
    let shipping = skus.iter().enumerate().map(|(number, sku)| {
        let (api, other, key) = (&api, &pair.b, format!("key-{sku}"));
        async move {
            if number % 2 == 0 {
                // Whoever is asked may be gone before it answers: then the other one is asked again.
                let _ = api.ship(sku, 49).key(&key).try_send().await;
            }
            insist(|| other.ship(sku, 49).key(&key)).await.done()
        }
    });
    let killed = pair.replicas.remove(0);
    let killing = async {
        eventually("the first notification", async || {
            let events = pair.b.events(PRODUCTS as u64).await;
            let mut types = events.iter().map(|event| &event["type"]);
            types.any(|name| name == "NotifiedLowProductQuantity").then_some(())
        })
        .await;
        drop(killed);
    };
    let (shipped, ()) = tokio::join!(join_all(shipping), killing);
    for receipt in &shipped {
        pair.b.notified(receipt.position()).await;
    }
    // One more of each kind comes last, so whatever was to be notified twice would have been.
    let last = pair.b.ship("killed-0", 1).send().await.done();
    pair.b.notified(last.position()).await;
    let events = pair.b.events(0).await;
    assert_eq!(events.len(), 3 * PRODUCTS + 2);
    let causes: std::collections::BTreeSet<_> = events
        .iter()
        .filter_map(|event| event["metadata"]["causation_id"].as_str())
        .collect();
    assert_eq!(causes.len(), PRODUCTS + 1, "one notification for each shipment");
    pair.assert_views().await;
    pair.stop().await;
}
