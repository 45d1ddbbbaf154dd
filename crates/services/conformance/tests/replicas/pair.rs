//! Two command services, and what the tests ask of them.

use callboard_postgres::testing::Held;
use conformance::api::Ask;
use conformance::proxy::Proxy;
use conformance::support::eventually;
use conformance::system::{Ground, Replica, command, inline};
use conformance::{Answer, Api, Topology};

use super::super::TOPOLOGY;

/// Two command services; `a` reaches its database through a network that fails on purpose.
pub struct Pair {
    pub a: Api,
    pub b: Api,
    pub network: Proxy,
    pub replicas: Vec<Replica>,
    pub ground: Ground,
}

pub async fn pair() -> Pair {
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
    pub async fn stop(self) {
        for replica in self.replicas {
            replica.stop().await;
        }
    }

    /// Waits until so many appends wait for the log's lock.
    pub async fn until_waiting(&self, count: usize) {
        eventually("appends wait for the lock", async || {
            let query = "select pid::text from pg_stat_activity \
                where datname = current_database() and wait_event_type = 'Lock'";
            (self.ground.database.texts(query).await.len() >= count).then_some(())
        })
        .await;
    }

    /// Holds the log's lock, as somebody might.
    pub async fn lock(&self) -> Held {
        let lock = "select from callboard.logs where log = 'warehouse' for update";
        self.ground.database.hold(lock).await
    }

    /// No connection is left in the middle of a transaction.
    pub async fn until_quiet(&self) {
        eventually("every transaction has ended", async || {
            let query = "select state from pg_stat_activity \
                where datname = current_database() and state like 'idle in transaction%'";
            self.ground.database.texts(query).await.is_empty().then_some(())
        })
        .await;
    }

    /// The views show what the log says.
    pub async fn assert_views(&self) {
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
pub fn append_of(key: &str) -> String {
    match TOPOLOGY {
        Topology::Inline => "callboard.lock_log(".into(),
        _ => key.into(),
    }
}

/// Sends until there is an answer that says what happened.
pub async fn insist(ask: impl Fn() -> Ask) -> Answer {
    eventually("an answer that says what happened", async || {
        let answer = ask().try_send().await.ok()?;
        (answer.status != 503).then_some(answer)
    })
    .await
}
