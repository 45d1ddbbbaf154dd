use callboard::spec::Spec;

use super::NotifyLowProductQuantity;
use crate::Warehouse;
use crate::event::samples::{increased, notified, on_hand, shipped, sku};

#[test]
fn a_warning_is_written_on_the_products_stream() {
    Spec::<Warehouse>::new()
        .given(
            "product-abc123",
            [increased("abc123", 50, 50), shipped("abc123", 49, 1)],
        )
        .when(NotifyLowProductQuantity {
            sku: sku("abc123"),
            quantity: on_hand(1),
        })
        .then_on([("product-abc123", notified("abc123", 1))]);
}

#[test]
fn a_warning_is_written_also_when_more_came_in_since() {
    Spec::<Warehouse>::new()
        .given(
            "product-abc123",
            [increased("abc123", 50, 50), shipped("abc123", 49, 1)],
        )
        .given("product-abc123", [increased("abc123", 99, 100)])
        .when(NotifyLowProductQuantity {
            sku: sku("abc123"),
            quantity: on_hand(1),
        })
        .then([notified("abc123", 1)]);
}
