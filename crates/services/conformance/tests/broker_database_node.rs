//! A database of one's own that is stopped for real, in the middle of everything.

mod pair;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use callboard_postgres::testing::TestDatabase;
use conformance::support::{eventually, within};
use conformance::system::{Ground, Replica};
use conformance::{Api, Node, Topology};
use futures::future::join_all;
use pair::{assert_views, load};

/// How soon a service has its database back.
const RECOVERED_WITHIN: Duration = Duration::from_secs(15);
const CLIENTS: usize = 8;

/// How clients are doing that repeat each command with the same key until it is answered 200.
#[derive(Default)]
struct Clients {
    stop: AtomicBool,
    /// How often each was told to come again.
    told: [AtomicU64; CLIENTS],
    done: AtomicU64,
}

impl Clients {
    /// Works until it is told to stop; the ids of what was acknowledged.
    async fn work(&self, api: &Api, client: usize) -> Vec<String> {
        let mut ids = Vec::new();
        while !self.stop.load(Ordering::SeqCst) {
            let key = format!("client-{client}-{}", ids.len());
            ids.push(insist(api, client, &key, &self.told[client]).await);
            self.done.fetch_add(1, Ordering::SeqCst);
        }
        ids
    }

    async fn get_on(&self) {
        let enough = self.done.load(Ordering::SeqCst) + 100;
        eventually("the clients get on", async || {
            (self.done.load(Ordering::SeqCst) >= enough).then_some(())
        })
        .await;
    }
}

/// The id of the event that the command with this key recorded.
async fn insist(api: &Api, client: usize, key: &str, told: &AtomicU64) -> String {
    eventually("a command is done", async || {
        let answer = api.increase(&format!("stopped-{client}"), 1).key(key).send().await;
        if answer.status != 200 {
            // Whatever its name, it says when to come again.
            let name = answer.problem_name().to_owned();
            answer.problem(503, &name);
            told.fetch_add(1, Ordering::SeqCst);
            return None;
        }
        let events = answer.done().body["events"].clone();
        Some(events[0]["id"].as_str().expect("text").to_owned())
    })
    .await
}

/// Stops the database under load, three times.
async fn is_stopped_under_load(topology: Topology) {
    let node = Arc::new(Node::postgres());
    let ground = Ground::on(TestDatabase::create_on(&node.url).await);
    let replicas = match topology {
        Topology::Brokered => vec![ground.command().await, ground.projector().await],
        _ => vec![ground.inline().await],
    };
    let (first, last) = (&replicas[0], &replicas[replicas.len() - 1]);
    let api = Api::new(first.http, last.http);
    for replica in &replicas {
        api.until_ready(replica.ops).await;
    }
    let clients = Clients::default();
    let working = join_all((0..CLIENTS).map(|client| clients.work(&api, client)));
    let breaking = async {
        for _ in 0..3 {
            clients.get_on().await;
            order(&node, "stop").await;
            are_told(&api, &clients).await;
            order(&node, "start").await;
            recovered(&api, &replicas).await;
        }
        clients.get_on().await;
        clients.stop.store(true, Ordering::SeqCst);
    };
    let (acknowledged, ()) = tokio::join!(working, breaking);
    nothing_is_missing(&api, acknowledged.concat()).await;
    load(&api, "afterwards", 20).await;
    assert_views(&api).await;
    for replica in replicas {
        replica.stop().await;
    }
}

async fn order(node: &Arc<Node>, order: &'static str) {
    let node = node.clone();
    let obeyed = tokio::task::spawn_blocking(move || node.order(&[order])).await;
    obeyed.expect("it is obeyed");
}

/// While the database is away, every client and whoever reads is told to come again.
async fn are_told(api: &Api, clients: &Clients) {
    let so_far = || clients.told.iter().map(|told| told.load(Ordering::SeqCst));
    let before: Vec<_> = so_far().collect();
    eventually("each client is told to come again", async || {
        so_far().zip(&before).all(|(now, before)| now > *before).then_some(())
    })
    .await;
    let read = api.get("/warehouse/products").send().await;
    let name = read.problem_name().to_owned();
    read.problem(503, &name);
}

/// Both sides answer, and each service says that all is well.
async fn recovered(api: &Api, replicas: &[Replica]) {
    within(RECOVERED_WITHIN, "all is as before", async || {
        let done = api.increase("recovered", 1).send().await.status;
        let read = api.get("/warehouse/products").send().await.status;
        let mut well = done == 200 && read == 200;
        for replica in replicas {
            well &= api.ops(replica.ops, "/readyz").await.status == 200;
        }
        well.then_some(())
    })
    .await;
}

/// Each event that a client was told of is in the log, once, and nothing else of theirs is.
async fn nothing_is_missing(api: &Api, acknowledged: Vec<String>) {
    let events = api.events(0).await;
    let of_clients = events.iter().filter(|event| {
        let sku = event["data"]["sku"].as_str().unwrap_or_default();
        sku.starts_with("stopped-")
    });
    let recorded: Vec<_> = of_clients
        .map(|event| event["id"].as_str().expect("text").to_owned())
        .collect();
    assert_eq!(recorded.len(), acknowledged.len(), "each once");
    let told: BTreeSet<_> = acknowledged.into_iter().collect();
    assert_eq!(recorded.into_iter().collect::<BTreeSet<_>>(), told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_stopped_at_once_under_load_costs_the_pair_no_acknowledged_event() {
    is_stopped_under_load(Topology::Brokered).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_stopped_at_once_under_load_costs_an_inline_service_no_acknowledged_event() {
    is_stopped_under_load(Topology::Inline).await;
}
