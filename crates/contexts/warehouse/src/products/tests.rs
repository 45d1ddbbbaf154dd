use callboard::spec::rows;

use super::{ProductRow, Products};
use crate::event::samples::{increased, notified, on_hand, shipped, sku};

fn row(name: &str, quantity: i64) -> ProductRow {
    ProductRow {
        sku: sku(name),
        quantity: on_hand(quantity),
    }
}

#[test]
fn every_sku_is_shown_with_what_is_on_hand() {
    let rows = rows::<Products>(&[
        ("product-b", increased("b", 7, 7)),
        ("product-a", increased("a", 50, 50)),
        ("product-a", shipped("a", 49, 1)),
        ("product-a", notified("a", 1)),
    ]);
    assert_eq!(rows.into_values().collect::<Vec<_>>(), [row("a", 1), row("b", 7)]);
}

#[test]
fn a_sku_that_was_sold_out_is_still_shown() {
    let rows = rows::<Products>(&[("product-a", increased("a", 5, 5)), ("product-a", shipped("a", 5, 0))]);
    assert_eq!(rows.into_values().collect::<Vec<_>>(), [row("a", 0)]);
}

#[test]
fn nothing_is_shown_before_the_first_event() {
    assert!(rows::<Products>(&[]).is_empty());
}
