//! Many clients at once: one of equal requests counts, and nobody sells what isn't there.

use std::collections::BTreeSet;

use futures::future::join_all;

use crate::system::System;
use crate::transcript::Transcript;

const CLIENTS: usize = 64;

pub(super) async fn together(system: &System) -> Transcript {
    let (api, mut answers) = (&system.api, Transcript::new());
    for round in 0..3 {
        identical(system, CLIENTS, &format!("same-{round}")).await;
    }
    for round in 0..150 {
        identical(system, 8, &format!("eight-{round}")).await;
    }
    raced(system).await;
    oversold(system).await;
    // Different keys, one command each.
    let all =
        join_all((0..CLIENTS).map(|client| api.increase("keyed", 1).key(&format!("keyed-{client}")).send())).await;
    let versions: BTreeSet<_> = all.into_iter().map(|answer| answer.done().version()).collect();
    assert_eq!(versions, (1..=CLIENTS as u64).collect());
    answers.found("head", api.head().await);
    answers
}

async fn identical(system: &System, clients: usize, key: &str) {
    let api = &system.api;
    let before = api.head().await;
    let all = join_all((0..clients).map(|_| api.increase("same", 10).key(key).send())).await;
    let all: Vec<_> = all.into_iter().map(|answer| answer.done()).collect();
    assert!(all.iter().all(|answer| answer.body == all[0].body), "{all:?}");
    let fresh = all.iter().filter(|answer| !answer.is_replayed()).count();
    assert_eq!(fresh, 1, "one of them did it");
    assert_eq!(api.head().await, before + 1, "one append");
}

/// All have read version 1; one is the first.
async fn raced(system: &System) {
    let api = &system.api;
    api.increase("raced", 100).send().await.done();
    let all = join_all((0..CLIENTS).map(|_| api.increase("raced", 10).if_version(1).send())).await;
    let (done, stale): (Vec<_>, Vec<_>) = all.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(done.len(), 1, "{done:?}");
    for answer in stale {
        assert_eq!(answer.problem(412, "version-mismatch").header("etag"), "\"2\"");
    }
}

async fn oversold(system: &System) {
    let api = &system.api;
    api.increase("scarce", 1_000).send().await.done();
    let all = join_all((0..CLIENTS).map(|_| api.ship("scarce", 25).send())).await;
    let (done, refused): (Vec<_>, Vec<_>) = all.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(done.len(), 40, "as many as there are");
    for answer in refused {
        answer.problem(409, "insufficient-quantity-on-hand");
    }
    let last = done.iter().map(|answer| answer.position()).max().expect("40 of them");
    let notified = api.notified(last).await;
    assert_eq!(api.quantity("scarce", notified).await, Some(0));
}
