use callboard::spec::reactions;
use serde_json::{Value, json};

use super::LowProductQuantityNotification;
use crate::WarehouseEvent;
use crate::event::samples::{increased, notified, shipped};

/// The commands issued for each of these events.
fn issued(events: &[WarehouseEvent]) -> Vec<Vec<(&'static str, Value)>> {
    let events: Vec<_> = events.iter().map(|event| ("product-any", event.clone())).collect();
    reactions::<LowProductQuantityNotification>(&events)
}

fn notify(sku: &str, quantity: i64) -> Vec<(&'static str, Value)> {
    vec![("NotifyLowProductQuantity", json!({ "sku": sku, "quantity": quantity }))]
}

#[test]
fn a_shipment_that_leaves_five_is_notified_once() {
    assert_eq!(
        issued(&[increased("a", 50, 50), shipped("a", 45, 5)]),
        [vec![], notify("a", 5)]
    );
}

#[test]
fn a_shipment_that_leaves_six_is_not_notified() {
    assert_eq!(issued(&[increased("a", 50, 50), shipped("a", 44, 6)]), [vec![], vec![]]);
}

#[test]
fn each_further_shipment_is_notified_again() {
    let events = [
        increased("a", 5, 5),
        shipped("a", 1, 4),
        notified("a", 4),
        shipped("a", 4, 0),
    ];
    assert_eq!(issued(&events), [vec![], notify("a", 4), vec![], notify("a", 0)]);
}

#[test]
fn an_increase_is_never_notified() {
    assert_eq!(issued(&[increased("a", 1, 1), increased("a", 1, 2)]), [vec![], vec![]]);
}

#[test]
fn products_are_told_apart() {
    let events = [
        increased("a", 50, 50),
        increased("b", 5, 5),
        shipped("a", 1, 49),
        shipped("b", 1, 4),
    ];
    assert_eq!(issued(&events), [vec![], vec![], vec![], notify("b", 4)]);
}
