//! Finance, as a client uses it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::answer::Answer;
use crate::api::{Api, Ask};

/// The log.
pub const FINANCE: &str = "finance";

/// Its views, and the field that is each one's key.
pub const VIEWS: &[(&str, &str)] = &[
    ("companies", "company"),
    ("assets", "asset"),
    ("accounts", "account"),
    ("deals", "deal"),
    ("grants", "grant"),
    ("memberships", "company"),
    ("products", "product"),
];

/// Commands and queries of finance, with ids that are the same in each run. Cheap to clone.
#[derive(Clone)]
pub struct Finance {
    /// Asks it.
    pub api: Api,
    /// Who else uses the same system makes other ids.
    who: u64,
    made: Arc<AtomicU64>,
    /// How far its own commands have come.
    position: Arc<AtomicU64>,
}

impl Finance {
    /// A client whose ids are its own.
    pub fn new(api: &Api, who: u64) -> Self {
        Self {
            api: api.clone(),
            who,
            made: Arc::default(),
            position: Arc::default(),
        }
    }

    /// The same client, asking another service.
    pub fn through(&self, api: &Api) -> Self {
        Self {
            api: api.clone(),
            ..self.clone()
        }
    }

    /// A fresh id.
    pub fn id(&self) -> String {
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        Uuid::from_u64_pair(self.who, number).to_string()
    }

    /// A command.
    pub fn post(&self, path: &str, body: &Value) -> Ask {
        self.api.post(&format!("/finance/{path}"), body)
    }

    /// A command that is done.
    ///
    /// # Panics
    /// When it isn't.
    pub async fn done(&self, path: &str, body: &Value) -> Answer {
        self.seen(self.post(path, body).send().await)
    }

    /// An answer to a command that was done; later queries include it.
    ///
    /// # Panics
    /// When it wasn't.
    #[track_caller]
    pub fn seen(&self, answer: Answer) -> Answer {
        let answer = answer.done_in(FINANCE);
        self.position.fetch_max(answer.position(), Ordering::Relaxed);
        answer
    }

    /// A new company that has this.
    pub async fn company(&self, has: &str) -> String {
        let id = self.id();
        self.done("companies", &json!({ "id": id, "name": "Acme" })).await;
        if has != "0.00" {
            let deposit = format!("companies/{id}/deposit_to_company");
            self.done(&deposit, &json!({ "amount": has })).await;
        }
        id
    }

    /// A new asset of this company that has this.
    pub async fn asset(&self, company: &str, has: &str) -> String {
        let id = self.id();
        let body = json!({
            "id": id, "sender": company, "receiver": company, "value": "100.00", "opening_balance": has,
        });
        self.done("assets", &body).await;
        id
    }

    /// A new account of this company.
    pub async fn account(&self, company: &str) -> String {
        let id = self.id();
        self.done("accounts", &json!({ "id": id, "company": company })).await;
        id
    }

    /// A new deal.
    pub async fn deal(&self, product_line: u64, companies: &[&str]) -> String {
        let id = self.id();
        let body = json!({ "id": id, "product_line": product_line, "companies": companies, "rating_tier": "A" });
        self.done("deals", &body).await;
        id
    }

    /// A grant from sources such as `("asset", id)` to this account of this company.
    pub fn grant(&self, sources: &[(&str, &str)], (company, account): (&str, &str), amount: &str) -> Ask {
        let sources: Vec<_> = sources.iter().map(|(kind, id)| json!({ *kind: id })).collect();
        let destination = json!({ "company": company, "account": account, "amount": amount });
        let body = json!({ "id": self.id(), "sources": sources, "destinations": [destination] });
        self.post("grants", &body)
    }

    /// A query that includes this client's own commands.
    pub fn get(&self, path: &str) -> Ask {
        let position = self.position.load(Ordering::Relaxed);
        self.api.get(&format!("/finance/{path}")).at_of(FINANCE, position)
    }

    /// A row.
    ///
    /// # Panics
    /// When there is none.
    pub async fn row(&self, path: &str) -> Value {
        self.get(path).send().await.with_status(200).body
    }

    /// What the thing at this path has, in ten-thousandths.
    ///
    /// # Panics
    /// When it isn't there.
    pub async fn balance(&self, path: &str) -> i128 {
        units(&self.row(path).await["balance"])
    }

    /// The log's last position.
    pub async fn head(&self) -> u64 {
        self.api.events_of(FINANCE, 0).await.len() as u64
    }
}

/// An amount in ten-thousandths.
///
/// # Panics
/// When it is none as the services write it.
pub fn units(amount: &Value) -> i128 {
    let text = amount.as_str().expect("an amount is a string");
    let (whole, decimals) = text.split_once('.').expect("it has decimals");
    assert!((2..=4).contains(&decimals.len()), "{text}");
    format!("{whole}{decimals:0<4}").parse().expect("digits")
}
