//! Clients that repeat each command with the same idempotency key until they know what became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{PATIENCE, World, eventually};

/// What happens to each SKU, once, in this order: it is low afterwards.
pub const MOVES: [(&str, i64); 2] = [("increase_quantity", 10), ("ship_quantity", 7)];

/// A command that was answered 200.
#[derive(Debug, Clone)]
pub struct Done {
    pub sku: String,
    pub verb: &'static str,
    pub receipt: Value,
}

/// Clients at work.
pub struct Load {
    tasks: JoinSet<()>,
    /// Where the service is at present: it may come back at another port.
    targets: Arc<Mutex<Vec<String>>>,
    done: Arc<Mutex<Vec<Done>>>,
    stop: Arc<AtomicBool>,
}

impl Load {
    /// So many clients, each with so many SKUs of its own.
    pub fn start(targets: &[&str], clients: usize, skus: usize) -> Self {
        let mut load = Self {
            tasks: JoinSet::new(),
            targets: Arc::default(),
            done: Arc::default(),
            stop: Arc::default(),
        };
        load.aim(targets);
        for client in 0..clients {
            let (targets, done, stop) = (load.targets.clone(), load.done.clone(), load.stop.clone());
            load.tasks.spawn(async move {
                let http = reqwest::Client::builder()
                    .timeout(Duration::from_secs(10))
                    .build()
                    .expect("a client");
                for number in 0..skus {
                    let sku = format!("c{client}-{number}");
                    for (verb, quantity) in MOVES {
                        let Some(receipt) = insist(&http, &targets, &stop, &sku, verb, quantity).await else {
                            return;
                        };
                        let sku = sku.clone();
                        done.lock().unwrap().push(Done { sku, verb, receipt });
                    }
                }
            });
        }
        load
    }

    /// Sends what comes next there.
    pub fn aim(&self, targets: &[&str]) {
        *self.targets.lock().unwrap() = targets.iter().map(|target| (*target).to_owned()).collect();
    }

    /// What was answered so far.
    pub fn done(&self) -> Vec<Done> {
        self.done.lock().unwrap().clone()
    }

    /// Waits until so many commands were answered.
    pub async fn answered(&self, count: usize) {
        eventually("the clients get on", || async {
            let done = self.done.lock().unwrap().len();
            if done >= count {
                Ok(())
            } else {
                Err(format!("{done} of {count}"))
            }
        })
        .await;
    }

    /// Waits until every client has done everything.
    pub async fn finish(mut self) -> Vec<Done> {
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("a client does not panic");
        }
        self.done()
    }

    /// Lets every client end after the command that it is at.
    pub async fn stop(self) -> Vec<Done> {
        self.stop.store(true, Ordering::SeqCst);
        self.finish().await
    }
}

/// Sends a command until it is answered 200; `None` when told to stop and it was not.
async fn insist(
    http: &reqwest::Client,
    targets: &Mutex<Vec<String>>,
    stop: &AtomicBool,
    sku: &str,
    verb: &str,
    quantity: i64,
) -> Option<Value> {
    let deadline = Instant::now() + 2 * PATIENCE;
    let mut tries = 0;
    loop {
        let target = {
            let targets = targets.lock().unwrap();
            targets[tries % targets.len()].clone()
        };
        tries += 1;
        let request = http
            .post(format!("http://{target}/warehouse/products/{sku}/{verb}"))
            .header("Idempotency-Key", format!("{sku}-{verb}"))
            .json(&json!({ "quantity": quantity }));
        let reason = match request.send().await {
            Ok(answer) if answer.status() == 200 => match answer.json().await {
                Ok(receipt) => return Some(receipt),
                Err(error) => error.to_string(),
            },
            // Overloaded, draining, or nobody knows: worth a repeat. Anything else is a bug.
            Ok(answer) if answer.status() == 503 => "503".into(),
            Ok(answer) => panic!("{verb} {sku}: {}: {:?}", answer.status(), answer.text().await),
            Err(error) => error.to_string(),
        };
        if stop.load(Ordering::SeqCst) {
            return None;
        }
        assert!(Instant::now() < deadline, "{verb} {sku} is not answered: {reason}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl World {
    /// Log = receipts = views: each answered command is in the log once and in its order, nothing
    /// else is but what may have been done unanswered (`at_least`), and each view shows exactly the
    /// log.
    pub async fn is_consistent_with(&self, done: &[Done], at_least: bool) {
        self.settled().await;
        let head = self.head().await;
        let count = self
            .number("select count(*)::text from callboard.events where log = 'warehouse'")
            .await;
        assert_eq!(count, head, "positions are gapless");

        let rows = "select position || ' ' || id || ' ' || stream || ' ' || type from callboard.events where log = 'warehouse'";
        let log: BTreeSet<String> = self.database.texts(rows).await.into_iter().collect();
        let mut receipts = BTreeSet::new();
        for Done { sku, receipt, .. } in done {
            let event = &receipt["events"][0];
            assert_eq!(receipt["events"].as_array().expect("events").len(), 1, "{receipt}");
            let text = |name: &str| event[name].as_str().expect("text").to_owned();
            assert_eq!(text("stream"), format!("product-{sku}"));
            let row = format!(
                "{} {} {} {}",
                event["position"],
                text("id"),
                text("stream"),
                text("type")
            );
            assert!(log.contains(&row), "acknowledged and not in the log: {row}");
            assert!(receipts.insert(row.clone()), "two commands have one receipt: {row}");
        }
        let moved = log
            .iter()
            .filter(|row| !row.ends_with("NotifiedLowProductQuantity"))
            .count();
        assert!(
            at_least || moved == receipts.len(),
            "{moved} events, {} receipts",
            receipts.len()
        );
        let doubled = "select stream || ' ' || type from callboard.events where log = 'warehouse' \
                       group by stream, type having count(*) > 1";
        assert_eq!(self.database.texts(doubled).await, Vec::<String>::new(), "done twice");

        let mut expected: BTreeMap<String, i64> = BTreeMap::new();
        let rows = "select stream || '=' || case when type = 'ProductQuantityIncreased' then 10 else -7 end \
                    from callboard.events where log = 'warehouse' and type <> 'NotifiedLowProductQuantity'";
        for row in self.database.texts(rows).await {
            let (stream, change) = row.split_once('=').expect("a row");
            let sku = stream.strip_prefix("product-").expect("a product's stream");
            *expected.entry(sku.to_owned()).or_default() += change.parse::<i64>().expect("a number");
        }
        assert_eq!(self.products().await, expected, "the view shows the log");
        let shipped = self.number("select count(*)::text from callboard.events where type = 'ProductQuantityShipped'");
        let notified =
            self.number("select count(*)::text from callboard.events where type = 'NotifiedLowProductQuantity'");
        assert_eq!(
            notified.await,
            shipped.await,
            "each shipment that leaves 3 is told of once"
        );
    }
}
