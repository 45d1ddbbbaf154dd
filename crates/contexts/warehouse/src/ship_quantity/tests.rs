use callboard::spec::Spec;

use super::ShipProductQuantity;
use crate::Warehouse;
use crate::event::samples::{increased, notified, quantity, shipped, sku};

fn ship(many: i64) -> ShipProductQuantity {
    ShipProductQuantity {
        sku: sku("abc123"),
        quantity: quantity(many),
    }
}

#[test]
fn a_shipment_takes_from_what_is_on_hand() {
    Spec::<Warehouse>::new()
        .given("product-abc123", [increased("abc123", 50, 50)])
        .when(ship(49))
        .then([shipped("abc123", 49, 1)]);
}

#[test]
fn all_that_is_on_hand_may_be_shipped() {
    Spec::<Warehouse>::new()
        .given("product-abc123", [increased("abc123", 50, 50)])
        .when(ship(50))
        .then([shipped("abc123", 50, 0)]);
}

#[test]
fn more_than_is_on_hand_is_refused() {
    Spec::<Warehouse>::new()
        .given(
            "product-abc123",
            [increased("abc123", 50, 50), shipped("abc123", 49, 1)],
        )
        .given("product-abc123", [notified("abc123", 1)])
        .when(ship(20))
        .then_refused("insufficient-quantity-on-hand");
}

#[test]
fn an_unknown_sku_has_nothing_on_hand() {
    Spec::<Warehouse>::new()
        .given("product-other", [increased("other", 50, 50)])
        .when(ship(1))
        .then_refused("insufficient-quantity-on-hand");
}
