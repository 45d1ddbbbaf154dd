//! Two command services on one log.

use std::time::Duration;

use conformance::history::{self, Summary};
use conformance::load::{self, Mix};
use conformance::proxy::{Moment, Proxy};
use conformance::support::{eventually, seed};
use conformance::system::{Ground, Replica, command, inline};
use conformance::{Answer, Api, Topology};
use futures::future::join_all;

use super::TOPOLOGY;

/// Two command services; `a` reaches its database through a network that fails on purpose.
struct Pair {
    a: Api,
    b: Api,
    network: Proxy,
    replicas: Vec<Replica>,
    ground: Ground,
}

async fn pair() -> Pair {
    let ground = Ground::new().await;
    let (network, url) = Proxy::of(ground.database.url()).await;
    let mut through = ground.config();
    through.database_url = url;
    let mut replicas = match TOPOLOGY {
        Topology::Inline => Vec::from(<[_; 2]>::from(tokio::join!(inline(through), ground.inline()))),
        _ => Vec::from(<[_; 2]>::from(tokio::join!(command(through), ground.command()))),
    };
    let (a, b) = (replicas[0].http, replicas[1].http);
    if TOPOLOGY == Topology::Brokered {
        replicas.push(ground.projector().await);
    }
    let queries = replicas.last().expect("some").http;
    let pair = Pair {
        a: Api::new(a, queries),
        b: Api::new(b, queries),
        network,
        replicas,
        ground,
    };
    for replica in &pair.replicas {
        pair.b.until_ready(replica.ops).await;
    }
    pair
}

impl Pair {
    async fn stop(self) {
        for replica in self.replicas {
            replica.stop().await;
        }
    }

    /// Waits until so many appends wait for the log's lock.
    async fn until_waiting(&self, count: usize) {
        eventually("appends wait for the lock", async || {
            let query = "select pid::text from pg_stat_activity \
                where datname = current_database() and wait_event_type = 'Lock'";
            (self.ground.database.texts(query).await.len() >= count).then_some(())
        })
        .await;
    }

    /// Holds the log's lock, as somebody might.
    async fn lock(&self) -> callboard_postgres::testing::Held {
        let lock = "select from callboard.logs where log = 'warehouse' for update";
        self.ground.database.hold(lock).await
    }

    /// No connection is left in the middle of a transaction.
    async fn until_quiet(&self) {
        eventually("every transaction has ended", async || {
            let query = "select state from pg_stat_activity \
                where datname = current_database() and state like 'idle in transaction%'";
            self.ground.database.texts(query).await.is_empty().then_some(())
        })
        .await;
    }

    /// The views show what the log says.
    async fn assert_views(&self) {
        let events = self.b.events(0).await;
        let products = self.b.list("/warehouse/products", events.len() as u64).await;
        for row in products {
            let mut of_sku = events.iter().rev().filter(|event| event["data"]["sku"] == row["sku"]);
            let left = of_sku.find_map(|event| event["data"].get("quantity_on_hand"));
            assert_eq!(left, Some(&row["quantity"]));
        }
    }
}

/// What a service sends to append the command with this key, and nothing else: where projections
/// are folded with it, a transaction begins with the log's lock.
fn append_of(key: &str) -> String {
    match TOPOLOGY {
        Topology::Inline => "begin\0".into(),
        _ => key.into(),
    }
}

/// Sends until there is an answer that says what happened.
async fn insist(ask: impl Fn() -> conformance::api::Ask) -> Answer {
    eventually("an answer that says what happened", async || {
        let answer = ask().try_send().await.ok()?;
        (answer.status != 503).then_some(answer)
    })
    .await
}

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

#[tokio::test]
async fn a_writer_paused_before_its_append_decides_again_on_what_happened_meanwhile() {
    let pair = pair().await;
    pair.b.increase("paused", 50).send().await.done();
    // What was accepted is refused in the end.
    pair.network.trap(&append_of("paused-1"), Moment::Before);
    let late = async {
        pair.network.caught().await;
        pair.b.ship("paused", 30).send().await.done();
        pair.network.release();
    };
    let (answer, ()) = tokio::join!(pair.a.ship("paused", 30).key("paused-1").send(), late);
    answer.problem(409, "insufficient-quantity-on-hand");
    // What was refused is accepted in the end. A refusal takes no lock, in no topology.
    pair.network.trap("paused-2", Moment::Before);
    let late = async {
        pair.network.caught().await;
        pair.b.increase("paused", 50).send().await.done();
        pair.network.release();
    };
    let (answer, ()) = tokio::join!(pair.a.ship("paused", 60).key("paused-2").send(), late);
    assert_eq!(answer.done().position(), 4);
    // What named the right version names a stale one in the end.
    pair.network.trap(&append_of("paused-3"), Moment::Before);
    let late = async {
        pair.network.caught().await;
        pair.b.increase("paused", 1).send().await.done();
        pair.network.release();
    };
    let ask = pair.a.increase("paused", 1).key("paused-3").if_version(4);
    let (answer, ()) = tokio::join!(ask.send(), late);
    assert_eq!(answer.problem(412, "version-mismatch").header("etag"), "\"5\"");
    assert_eq!(pair.b.head().await, 5);
    pair.assert_views().await;
    pair.stop().await;
}

#[tokio::test]
async fn an_append_that_never_arrived_is_decided_again() {
    let pair = pair().await;
    pair.b.increase("lost", 50).send().await.done();
    pair.network.trap(&append_of("lost-1"), Moment::Before);
    let late = async {
        pair.network.caught().await;
        pair.b.ship("lost", 20).send().await.done();
        pair.network.cut();
    };
    let (answer, ()) = tokio::join!(pair.a.ship("lost", 20).key("lost-1").send(), late);
    assert_eq!(answer.done().position(), 3);
    pair.network.trap(&append_of("lost-2"), Moment::Before);
    let late = async {
        pair.network.caught().await;
        pair.b.ship("lost", 4).send().await.done();
        pair.network.cut();
    };
    let (answer, ()) = tokio::join!(pair.a.ship("lost", 10).key("lost-2").send(), late);
    answer.problem(409, "insufficient-quantity-on-hand");
    pair.assert_views().await;
    pair.stop().await;
}

#[tokio::test]
async fn an_append_whose_answer_was_lost_is_answered_with_what_it_recorded() {
    let pair = pair().await;
    // By the same writer, so that its next append stands on the head.
    pair.a.increase("answered", 50).send().await.done();
    // Inline, the append is followed by its projections, and done with the commit.
    let inline = TOPOLOGY == Topology::Inline;
    let last = if inline { "commit\0" } else { "answered-1" };
    pair.network.trap(last, Moment::After);
    let late = async {
        pair.network.caught().await;
        // It is recorded, and the others go on from there.
        let other = pair.b.ship("answered", 10).send().await.done();
        assert_eq!(other.position(), 3);
        pair.network.cut();
    };
    let (answer, ()) = tokio::join!(pair.a.ship("answered", 30).key("answered-1").send(), late);
    let answer = answer.done();
    assert_eq!((answer.position(), answer.version()), (2, 2));
    let again = pair.b.ship("answered", 30).key("answered-1").send().await.done();
    assert!(again.is_replayed() && again.body == answer.body);
    let refused = pair.a.ship("answered", 11).send().await;
    refused.problem(409, "insufficient-quantity-on-hand");
    pair.assert_views().await;
    pair.stop().await;
}

#[tokio::test]
async fn of_two_appends_that_wait_for_the_lock_the_second_one_decides_again() {
    let pair = pair().await;
    pair.b.increase("locked", 50).send().await.done();
    let lock = pair.lock().await;
    let freed = async {
        pair.until_waiting(2).await;
        lock.release().await;
    };
    let (one, other, ()) = tokio::join!(
        pair.a.ship("locked", 30).send(),
        pair.b.ship("locked", 30).send(),
        freed
    );
    let (done, refused) = if one.status == 200 { (one, other) } else { (other, one) };
    assert_eq!(done.done().position(), 2);
    refused.problem(409, "insufficient-quantity-on-hand");
    assert_eq!(pair.b.head().await, 2);
    pair.stop().await;
}

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
async fn clients_that_go_away_at_any_moment_leave_each_command_done_once_or_never_begun() {
    let pair = pair().await;
    let mut dice = conformance::random::Dice::new(seed());
    for round in 0..10 {
        let clients: Vec<_> = (0..20)
            .map(|client| {
                let api = if client % 2 == 0 { &pair.a } else { &pair.b };
                let ask = api.increase("fickle", 1).key(&format!("fickle-{round}-{client}"));
                let patience = Duration::from_micros(dice.below(20_000));
                tokio::spawn(tokio::time::timeout(patience, ask.try_send()))
            })
            .collect();
        for client in clients {
            let _ = client.await.expect("a client does not panic");
        }
    }
    let keys: Vec<_> = (0..10)
        .flat_map(|round| (0..20).map(move |client| format!("fickle-{round}-{client}")))
        .collect();
    let again = join_all(keys.iter().map(|key| insist(|| pair.b.increase("fickle", 1).key(key)))).await;
    assert!(again.into_iter().all(|answer| answer.done().version() <= 200));
    assert_eq!(pair.b.head().await, 200, "each once");
    assert_eq!(pair.b.quantity("fickle", 200).await, Some(200));
    pair.until_quiet().await;
    pair.stop().await;
}

#[tokio::test]
async fn a_service_that_keeps_losing_its_database_does_each_command_once() {
    let pair = pair().await;
    let clients = (0..12).map(|client| {
        let api = if client % 3 == 0 {
            pair.b.clone()
        } else {
            pair.a.clone()
        };
        async move {
            for turn in 0..15 {
                let key = format!("shaken-{client}-{turn}");
                insist(|| api.increase("shaken", 1).key(&key)).await.done();
            }
        }
    });
    let mut clients = std::pin::pin!(join_all(clients));
    let mut cutting = tokio::time::interval(Duration::from_millis(100));
    let mut cuts = 0;
    loop {
        tokio::select! {
            _ = &mut clients => break,
            _ = cutting.tick(), if cuts < 30 => {
                pair.network.cut();
                cuts += 1;
            }
        }
    }
    assert!(cuts >= 3, "all was done before anything was cut");
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
async fn while_somebody_holds_the_log_commands_answer_503_and_queries_go_on() {
    let pair = pair().await;
    let before = pair.a.increase("held", 50).send().await.done();
    let lock = pair.lock().await;
    let ask = pair.a.ship("held", 10).key("held-1");
    let (late, shown) = tokio::join!(ask.send(), pair.b.quantity("held", before.position()));
    assert_eq!(shown, Some(50));
    let name = late.problem_name().to_owned();
    assert!(["unavailable", "outcome-unknown"].contains(&&*name), "{late:?}");
    late.problem(503, &name);
    lock.release().await;
    insist(|| pair.b.ship("held", 10).key("held-1")).await.done();
    assert_eq!(pair.b.head().await, 2, "once");
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
