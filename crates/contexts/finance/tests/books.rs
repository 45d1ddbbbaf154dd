//! Whatever is commanded, the books balance to the last decimal at every position of the log.

mod support;

use std::collections::{BTreeSet, HashMap};

use callboard::spec::rows;
use callboard::{Event, Recorded};
use finance::FinanceEvent;
use finance::factory::Factory;
use finance::products::Products;
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{Books, block_on};

/// An amount in ten-thousandths, read without the types under test.
fn units(amount: &Value) -> i128 {
    let text = amount.as_str().expect("an amount is a string");
    let (whole, decimals) = text.split_once('.').expect("it has decimals");
    assert!((2..=4).contains(&decimals.len()), "{text}");
    format!("{whole}{decimals:0<4}").parse().expect("digits")
}

/// The books as an outsider keeps them, from the JSON of events.
#[derive(Default)]
struct Ledger {
    /// Deposits and opening balances.
    came_in: i128,
    /// By stream, as the last event of the stream says.
    balances: HashMap<String, i128>,
    /// Of the grant that is being recorded: what is to be drawn and credited still.
    to_draw: i128,
    to_credit: i128,
    /// By stream: what a product's amount and late fees come to, and what was paid of it.
    charged: HashMap<String, i128>,
    paid: HashMap<String, i128>,
}

impl Ledger {
    fn record(&mut self, event: &Recorded<FinanceEvent>) {
        let data: Value = serde_json::from_str(event.event.encode().expect("JSON").get()).expect("JSON");
        let stream = event.stream.to_string();
        let before = self.balances.get(&stream).copied().unwrap_or_default();
        match event.event.event_type().name {
            "DepositedToCompany" => {
                self.came_in += units(&data["amount"]);
                self.balances.insert(stream, units(&data["balance"]));
            }
            "AssetRegistered" => {
                self.came_in += units(&data["balance"]);
                self.balances.insert(stream, units(&data["balance"]));
            }
            "BalancesGranted" => {
                assert_eq!((self.to_draw, self.to_credit), (0, 0), "one grant after the other");
                let sum = |list: &str| -> i128 {
                    let parts = data[list].as_array().expect("a list");
                    parts.iter().map(|part| units(&part["amount"])).sum()
                };
                (self.to_draw, self.to_credit) = (sum("draws"), sum("credits"));
                assert_eq!(self.to_draw, units(&data["total"]), "what is taken is the total");
                assert_eq!(self.to_credit, units(&data["total"]), "what is given is the total");
            }
            "AssetDrawn" | "CompanyDrawn" => {
                self.to_draw -= units(&data["amount"]);
                assert_eq!(before - units(&data["amount"]), units(&data["balance"]));
                self.balances.insert(stream, units(&data["balance"]));
            }
            "FundingAccountCredited" => {
                self.to_credit -= units(&data["amount"]);
                assert_eq!(before + units(&data["amount"]), units(&data["balance"]));
                self.balances.insert(stream, units(&data["balance"]));
            }
            "ProductIssued" => {
                self.charged.insert(stream, units(&data["amount"]));
            }
            "LateFeeIncurred" => {
                *self.charged.entry(stream.clone()).or_default() += units(&data["amount"]);
                self.owes(&stream, &data);
            }
            "PaymentRecorded" => {
                *self.paid.entry(stream.clone()).or_default() += units(&data["amount"]);
                self.owes(&stream, &data);
            }
            _ => {}
        }
    }

    /// What an event says is outstanding of a product is what was charged and isn't paid.
    fn owes(&self, product: &str, data: &Value) {
        let paid = self.paid.get(product).copied().unwrap_or_default();
        let outstanding = self.charged[product] - paid;
        assert!(outstanding >= 0, "{product} was paid more than once: {data}");
        assert_eq!(outstanding, units(&data["outstanding"]), "{product}: {data}");
    }

    /// A product as it is shown adds up, and to the same.
    fn agrees_with(&self, row: &Value) {
        let product = format!("product-{}", row["product"].as_str().expect("an id"));
        let (charged, paid) = (units(&row["amount"]) + units(&row["fees"]), units(&row["paid"]));
        assert_eq!(charged, self.charged[&product], "{row}");
        assert_eq!(paid, self.paid.get(&product).copied().unwrap_or_default(), "{row}");
        assert_eq!(charged - paid, units(&row["outstanding"]), "{row}");
    }

    fn balances(&self, position: callboard::Position) {
        assert!(
            self.balances.values().all(|balance| *balance >= 0),
            "overspent at {position}"
        );
        assert!(self.to_draw >= 0 && self.to_credit >= 0, "too much at {position}");
        let held: i128 = self.balances.values().sum();
        // In the middle of a grant, what was drawn and isn't credited yet is on its way.
        assert_eq!(held + self.to_credit - self.to_draw, self.came_in, "at {position}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_books_balance_at_every_position(seed: u64) {
        block_on(async {
            let books = Books::new();
            let mut factory = Factory::new(seed);
            books.execute(400, || factory.any()).await;
            let mut ledger = Ledger::default();
            for event in books.events().await {
                ledger.record(&event);
                ledger.balances(event.position);
            }
            let events: Vec<_> = books.events().await;
            let events: Vec<_> = events.iter().map(|event| (event.stream.as_str(), event.event.clone())).collect();
            for row in rows::<Products>(&events).into_values() {
                ledger.agrees_with(&json!(row));
            }
            assert_eq!((ledger.to_draw, ledger.to_credit), (0, 0), "no grant is recorded in part");
        });
    }
}

/// So that the property above is about something.
#[test]
fn the_factory_hits_every_rule_and_records_every_event() {
    block_on(async {
        let (mut rules, mut types) = (BTreeSet::new(), BTreeSet::new());
        for seed in 0..8 {
            let books = Books::new();
            let mut factory = Factory::new(seed);
            let (done, refused) = books.execute(400, || factory.any()).await;
            assert!(done > 100, "{done} of 400 were done");
            rules.extend(refused);
            types.extend(books.events().await.iter().map(|event| event.event.event_type().name));
        }
        let all = FinanceEvent::TYPES.iter().map(|event_type| event_type.name);
        assert_eq!(types, all.collect());
        let hit = [
            "account-closed",
            "account-not-found",
            "company-has-membership",
            "company-not-found",
            "deal-already-active",
            "deal-deleted",
            "company-not-in-deal",
            "date-already-cycled",
            "insufficient-balance",
            "late-fee-without-asset",
            "payment-exceeds-outstanding",
            "source-without-balance",
        ];
        assert!(hit.iter().all(|rule| rules.contains(rule)), "{rules:?}");
    });
}
