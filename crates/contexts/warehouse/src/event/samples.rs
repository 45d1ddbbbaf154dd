//! Events and values as the tests of all features write them.

use crate::WarehouseEvent;
use crate::increase_quantity::ProductQuantityIncreased;
use crate::notify_low_quantity::NotifiedLowProductQuantity;
use crate::product::{Quantity, QuantityOnHand, Sku};
use crate::ship_quantity::ProductQuantityShipped;

pub(crate) fn sku(text: &str) -> Sku {
    text.parse().expect("a SKU")
}

pub(crate) fn quantity(many: i64) -> Quantity {
    Quantity::new(many).expect("a quantity")
}

pub(crate) fn on_hand(many: i64) -> QuantityOnHand {
    serde_json::from_value(many.into()).expect("a quantity on hand")
}

pub(crate) fn increased(name: &str, by: i64, to: i64) -> WarehouseEvent {
    ProductQuantityIncreased {
        sku: sku(name),
        quantity: quantity(by),
        quantity_on_hand: on_hand(to),
    }
    .into()
}

pub(crate) fn shipped(name: &str, by: i64, to: i64) -> WarehouseEvent {
    ProductQuantityShipped {
        sku: sku(name),
        quantity: quantity(by),
        quantity_on_hand: on_hand(to),
    }
    .into()
}

pub(crate) fn notified(name: &str, at: i64) -> WarehouseEvent {
    NotifiedLowProductQuantity {
        sku: sku(name),
        quantity: on_hand(at),
    }
    .into()
}
