//! The warehouse as simply as it can be said: what every topology must answer, record and show.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use crate::answer::Answer;

/// What is left at this many or fewer is low.
const LOW: i64 = 5;

/// Which command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// More comes in.
    Increase,
    /// Some goes out.
    Ship,
}

/// What is asked about a stream's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfMatch {
    /// There must be one.
    Any,
    /// It must be this one.
    Version(u64),
    /// Nobody knows what is meant.
    Malformed,
}

/// A command as a client sends it.
#[derive(Debug, Clone)]
pub struct Command {
    /// Which command.
    pub verb: Verb,
    /// Of which product.
    pub sku: String,
    /// How many.
    pub quantity: i64,
    /// Under which key.
    pub key: Option<String>,
    /// On which version.
    pub if_match: Option<IfMatch>,
}

/// A receipt, without the ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Where the command's event stands.
    pub position: u64,
    /// Its number in the stream.
    pub version: u64,
    /// The stream.
    pub stream: String,
    /// The event's type.
    pub event_type: String,
}

/// What a command is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Done; or done before.
    Done {
        /// The receipt.
        receipt: Receipt,
        /// Whether it was done before.
        replayed: bool,
    },
    /// Not done.
    No {
        /// The status.
        status: u16,
        /// The problem's name.
        problem: String,
        /// The version that the stream has, if it is about that.
        etag: Option<u64>,
    },
}

impl Outcome {
    fn no(status: u16, problem: &str) -> Self {
        Self::No {
            status,
            problem: problem.into(),
            etag: None,
        }
    }

    /// What a service has answered.
    ///
    /// # Panics
    /// When the answer isn't of the contract's form.
    pub fn of(answer: Answer) -> Self {
        if answer.status == 200 {
            let answer = answer.done();
            let text = |value: &Value| value.as_str().expect("text").to_owned();
            assert_eq!(answer.body["events"].as_array().map(Vec::len), Some(1), "{answer:?}");
            let receipt = Receipt {
                position: answer.position(),
                version: answer.version(),
                stream: text(&answer.body["stream"]),
                event_type: text(&answer.body["events"][0]["type"]),
            };
            return Self::Done {
                receipt,
                replayed: answer.is_replayed(),
            };
        }
        let (status, problem) = (answer.status, answer.problem_name().to_owned());
        let answer = answer.problem(status, &problem);
        let etag = answer.header("etag").trim_matches('"').parse().ok();
        Self::No { status, problem, etag }
    }
}

#[derive(Debug, Default)]
struct Product {
    on_hand: i64,
    version: u64,
    /// On the list of what is low.
    listed: bool,
}

/// The whole warehouse.
#[derive(Debug)]
pub struct Model {
    head: u64,
    products: BTreeMap<String, Product>,
    keys: HashMap<String, ((Verb, String, i64), Receipt)>,
    events: Vec<Value>,
}

impl Model {
    /// A warehouse whose log has this head; what it holds is none of the case's business.
    pub fn new(head: u64) -> Self {
        Self {
            head,
            products: BTreeMap::new(),
            keys: HashMap::new(),
            events: Vec::new(),
        }
    }

    /// The log's last position.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// The version of a product's stream.
    pub fn version(&self, sku: &str) -> u64 {
        self.products.get(sku).map_or(0, |product| product.version)
    }

    /// Does a command, with the notification that it calls for; the answer, and whether there is one.
    pub fn execute(&mut self, command: &Command) -> (Outcome, bool) {
        let Command {
            verb,
            sku,
            quantity,
            key,
            if_match,
        } = command;
        if *if_match == Some(IfMatch::Malformed) {
            return (Outcome::no(400, "invalid-header"), false);
        }
        if *quantity < 1 {
            return (Outcome::no(400, "invalid-body"), false);
        }
        let meant = (*verb, sku.clone(), *quantity);
        if let Some((used_for, receipt)) = key.as_ref().and_then(|key| self.keys.get(key)) {
            let outcome = if *used_for == meant {
                Outcome::Done {
                    receipt: receipt.clone(),
                    replayed: true,
                }
            } else {
                Outcome::no(422, "idempotency-key-reused")
            };
            return (outcome, false);
        }
        let version = self.version(sku);
        let fits = match if_match {
            None => true,
            Some(IfMatch::Any) => version > 0,
            Some(IfMatch::Version(wanted)) => *wanted == version,
            Some(IfMatch::Malformed) => false,
        };
        if !fits {
            let no = Outcome::No {
                status: 412,
                problem: "version-mismatch".into(),
                etag: Some(version),
            };
            return (no, false);
        }
        let on_hand = self.products.get(sku).map_or(0, |product| product.on_hand);
        let left = match verb {
            Verb::Increase => on_hand.checked_add(*quantity).ok_or("quantity-on-hand-overflow"),
            Verb::Ship => Some(on_hand - quantity)
                .filter(|left| *left >= 0)
                .ok_or("insufficient-quantity-on-hand"),
        };
        let left = match left {
            Ok(left) => left,
            Err(rule) => return (Outcome::no(409, rule), false),
        };
        let receipt = self.move_quantity(*verb, sku, *quantity, left);
        if let Some(key) = key {
            self.keys.insert(key.clone(), (meant, receipt.clone()));
        }
        let low = *verb == Verb::Ship && left <= LOW;
        if low {
            self.record(
                sku,
                "NotifiedLowProductQuantity",
                json!({ "sku": sku, "quantity": left }),
            );
        }
        let done = Outcome::Done {
            receipt,
            replayed: false,
        };
        (done, low)
    }

    fn move_quantity(&mut self, verb: Verb, sku: &str, quantity: i64, left: i64) -> Receipt {
        let product = self.products.entry(sku.into()).or_default();
        product.on_hand = left;
        product.listed = left <= LOW && (product.listed || verb == Verb::Ship);
        let event_type = match verb {
            Verb::Increase => "ProductQuantityIncreased",
            Verb::Ship => "ProductQuantityShipped",
        };
        let data = json!({ "sku": sku, "quantity": quantity, "quantity_on_hand": left });
        let version = self.record(sku, event_type, data);
        Receipt {
            position: self.head,
            version,
            stream: format!("product-{sku}"),
            event_type: event_type.into(),
        }
    }

    fn record(&mut self, sku: &str, event_type: &str, data: Value) -> u64 {
        let product = self.products.entry(sku.into()).or_default();
        product.version += 1;
        self.head += 1;
        self.events.push(json!({
            "position": self.head,
            "stream": format!("product-{sku}"),
            "version": product.version,
            "type": event_type,
            "data": data,
        }));
        product.version
    }

    /// Every event of the case, without what a model can't know.
    pub fn events(&self) -> &[Value] {
        &self.events
    }

    /// The rows of the view `products`.
    pub fn products(&self) -> Vec<Value> {
        let row = |(sku, product): (&String, &Product)| json!({ "sku": sku, "quantity": product.on_hand });
        self.products.iter().map(row).collect()
    }

    /// The rows of the view `low_stock`, without the time of the notification.
    pub fn low_stock(&self) -> Vec<Value> {
        let low = self.products.iter().filter(|(_, product)| product.listed);
        low.map(|(sku, product)| json!({ "sku": sku, "quantity": product.on_hand }))
            .collect()
    }
}
