//! The memberships, as the model and as the view have them, against a plain fold over all deals.

mod support;

use std::collections::BTreeMap;

use callboard::spec::rows;
use callboard::{Event, LiveModel};
use finance::factory::Factory;
use finance::membership::{Membership, Memberships};
use finance::{FinanceEvent, memberships};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{Books, block_on};

/// What anybody would make of the facts who remembers every deal.
#[derive(Default)]
struct Naive {
    deals: BTreeMap<String, (Value, bool)>,
}

impl Naive {
    fn record(&mut self, event: &FinanceEvent) {
        let data: Value = serde_json::from_str(event.encode().expect("JSON").get()).expect("JSON");
        let deal = data["deal"].as_str().unwrap_or_default().to_owned();
        match event.event_type().name {
            "DealCreated" => {
                self.deals.insert(deal, (data, false));
            }
            "DealUpdated" => self.deals.get_mut(&deal).expect("it was created").0 = data,
            "DealActivated" => self.deals.get_mut(&deal).expect("it was created").1 = true,
            "DealDeleted" => {
                self.deals.remove(&deal);
            }
            _ => {}
        }
    }

    /// Company, deal, tier and whether it is activated; a company with two would be there twice.
    fn memberships(&self) -> Vec<Value> {
        let mut memberships: Vec<_> = self
            .deals
            .iter()
            .filter_map(
                |(deal, (terms, activated))| match terms["companies"].as_array()?.as_slice() {
                    [company] if terms["product_line"] == 4 => {
                        Some(json!([company, deal, terms["rating_tier"], activated]))
                    }
                    _ => None,
                },
            )
            .collect();
        memberships.sort_by_key(Value::to_string);
        memberships
    }
}

fn of_model(model: &Memberships) -> Vec<Value> {
    let mut memberships: Vec<_> = model
        .iter()
        .map(|(company, membership)| {
            let Membership {
                deal,
                rating_tier,
                activated,
            } = membership;
            json!([company, deal, rating_tier, activated])
        })
        .collect();
    memberships.sort_by_key(Value::to_string);
    memberships
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn model_and_view_are_what_a_plain_fold_over_all_deals_says(seed: u64) {
        block_on(async {
            let books = Books::new();
            let mut factory = Factory::new(seed);
            books.execute(200, || factory.any_of_deals()).await;
            let events = books.events().await;
            let (mut model, mut naive) = (Memberships::default(), Naive::default());
            for event in &events {
                model.evolve(&event.event);
                naive.record(&event.event);
                assert_eq!(of_model(&model), naive.memberships(), "at {}", event.position);
            }
            let events: Vec<_> = events.iter().map(|event| (event.stream.as_str(), event.event.clone())).collect();
            let rows = rows::<memberships::Memberships>(&events).into_values();
            let mut shown: Vec<_> = rows.map(|row| json!([row.company, row.deal, row.rating_tier, row.activated])).collect();
            shown.sort_by_key(Value::to_string);
            assert_eq!(shown, naive.memberships());
            let mut companies: Vec<_> = shown.iter().map(|row| row[0].clone()).collect();
            companies.dedup();
            assert_eq!(companies.len(), shown.len(), "a company has one membership at the most");
        });
    }
}
