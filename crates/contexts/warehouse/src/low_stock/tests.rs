use callboard::spec::rows;

use super::LowStock;
use crate::WarehouseEvent;
use crate::event::samples::{increased, notified, shipped};

/// What is low after these events: SKU, quantity, and whether it was notified.
fn low(events: &[WarehouseEvent]) -> Vec<(String, i64, bool)> {
    let events: Vec<_> = events.iter().map(|event| ("product-any", event.clone())).collect();
    let rows = rows::<LowStock>(&events).into_values();
    rows.map(|row| (row.sku.to_string(), row.quantity.get(), row.last_notified_at.is_some()))
        .collect()
}

#[test]
fn a_shipment_that_leaves_five_puts_the_product_on_the_list() {
    assert_eq!(
        low(&[increased("a", 50, 50), shipped("a", 45, 5)]),
        [("a".into(), 5, false)]
    );
}

#[test]
fn a_shipment_that_leaves_six_does_not() {
    assert_eq!(low(&[increased("a", 50, 50), shipped("a", 44, 6)]), []);
}

#[test]
fn a_notification_is_dated() {
    let events = [increased("a", 50, 50), shipped("a", 49, 1), notified("a", 1)];
    assert_eq!(low(&events), [("a".into(), 1, true)]);
}

#[test]
fn a_further_shipment_keeps_the_date_of_the_last_notification() {
    let events = [
        increased("a", 50, 50),
        shipped("a", 48, 2),
        notified("a", 2),
        shipped("a", 1, 1),
    ];
    assert_eq!(low(&events), [("a".into(), 1, true)]);
}

#[test]
fn an_increase_beyond_low_takes_the_product_off_the_list() {
    assert_eq!(
        low(&[increased("a", 50, 50), shipped("a", 49, 1), increased("a", 5, 6)]),
        []
    );
}

#[test]
fn a_smaller_increase_keeps_the_product_on_the_list() {
    let events = [
        increased("a", 50, 50),
        shipped("a", 49, 1),
        notified("a", 1),
        increased("a", 4, 5),
    ];
    assert_eq!(low(&events), [("a".into(), 5, true)]);
}

#[test]
fn a_product_that_came_in_in_small_numbers_is_not_on_the_list() {
    assert_eq!(low(&[increased("a", 3, 3)]), []);
}

#[test]
fn a_notification_that_comes_after_the_increase_does_not_put_the_product_back() {
    let events = [
        increased("a", 50, 50),
        shipped("a", 49, 1),
        increased("a", 50, 51),
        notified("a", 1),
    ];
    assert_eq!(low(&events), []);
}

#[test]
fn a_product_that_is_low_again_was_not_notified_yet() {
    let before = [
        increased("a", 50, 50),
        shipped("a", 49, 1),
        notified("a", 1),
        increased("a", 50, 51),
    ];
    let events = [&before[..], &[shipped("a", 50, 1)]].concat();
    assert_eq!(low(&events), [("a".into(), 1, false)]);
}
