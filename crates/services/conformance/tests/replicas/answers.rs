//! Two services answer as one.

use conformance::Answer;
use conformance::history::{self, Summary};
use conformance::load::{self, Mix};
use conformance::support::seed;
use futures::future::join_all;

use super::pair::pair;

#[tokio::test]
async fn the_answers_of_two_services_are_those_of_one() {
    let pair = pair().await;
    let seed = seed();
    eprintln!("CALLBOARD_SEED={seed}");
    let mix = Mix {
        clients: 16,
        commands: 40,
        products: 3,
        keys: 8,
        versions: 8,
    };
    let done = load::run(&[pair.a.clone(), pair.b.clone()], mix, seed).await;
    let events = pair.b.events(0).await;
    let Summary {
        done,
        refused,
        stale,
        replayed,
    } = history::check(&events, done);
    let all = [done, refused, stale, replayed];
    assert!(all.iter().all(|count| *count >= 10), "not much was tried: {all:?}");
    pair.assert_views().await;
    pair.stop().await;
}

#[tokio::test]
async fn what_one_service_has_answered_the_other_one_knows() {
    let pair = pair().await;
    let services = [&pair.a, &pair.b];
    pair.a.increase("handed-over", 100).send().await.done();
    for round in 0..25 {
        let (one, other) = (services[round % 2], services[(round + 1) % 2]);
        let receipt = one.increase("handed-over", 30).send().await.done();
        other
            .ship("handed-over", 30)
            .if_version(receipt.version())
            .send()
            .await
            .done();
        let refused = one.ship("handed-over", 101).send().await;
        refused.problem(409, "insufficient-quantity-on-hand");
        let stale = one
            .increase("handed-over", 1)
            .if_version(receipt.version())
            .send()
            .await;
        stale.problem(412, "version-mismatch");
    }
    pair.stop().await;
}

#[tokio::test]
async fn equal_requests_to_both_services_count_once() {
    let pair = pair().await;
    for round in 0..5 {
        let (key, before) = (format!("both-{round}"), pair.b.head().await);
        let services = [&pair.a, &pair.b].into_iter().cycle().take(64);
        let all = join_all(services.map(|api| api.increase("both", 10).key(&key).send())).await;
        let all: Vec<_> = all.into_iter().map(Answer::done).collect();
        assert!(all.iter().all(|answer| answer.body == all[0].body), "{all:?}");
        assert_eq!(all.iter().filter(|answer| !answer.is_replayed()).count(), 1);
        assert_eq!(pair.b.head().await, before + 1);
        let other = pair.b.ship("both", 1).key(&key).send().await;
        other.problem(422, "idempotency-key-reused");
    }
    pair.stop().await;
}
