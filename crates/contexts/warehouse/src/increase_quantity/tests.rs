use callboard::spec::Spec;

use super::IncreaseProductQuantity;
use crate::Warehouse;
use crate::event::samples::{increased, quantity, shipped, sku};
use crate::product::Quantity;

fn increase(many: i64) -> IncreaseProductQuantity {
    IncreaseProductQuantity {
        sku: sku("abc123"),
        quantity: quantity(many),
    }
}

#[test]
fn an_unknown_sku_starts_at_zero() {
    Spec::<Warehouse>::new()
        .when(increase(50))
        .then([increased("abc123", 50, 50)]);
}

#[test]
fn an_increase_adds_to_what_is_on_hand() {
    Spec::<Warehouse>::new()
        .given(
            "product-abc123",
            [increased("abc123", 50, 50), shipped("abc123", 49, 1)],
        )
        .when(increase(7))
        .then([increased("abc123", 7, 8)]);
}

#[test]
fn other_products_do_not_count() {
    Spec::<Warehouse>::new()
        .given("product-other", [increased("other", 50, 50)])
        .when(increase(7))
        .then([increased("abc123", 7, 7)]);
}

#[test]
fn a_sum_of_exactly_the_largest_integer_is_taken() {
    Spec::<Warehouse>::new()
        .given("product-abc123", [increased("abc123", i64::MAX - 1, i64::MAX - 1)])
        .when(increase(1))
        .then([increased("abc123", 1, i64::MAX)]);
}

#[test]
fn a_sum_beyond_the_largest_integer_is_refused() {
    Spec::<Warehouse>::new()
        .given("product-abc123", [increased("abc123", 1, 1)])
        .when(increase(Quantity::MAX.get()))
        .then_refused("quantity-on-hand-overflow");
}
