//! The process manager `low-product-quantity-notification`: each shipment that leaves a low
//! quantity on hand is answered with one notification; an increase never is.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use callboard::{ProcessManager, Reaction, Recorded};

use crate::event::{Warehouse, WarehouseEvent};
use crate::notify_low_quantity::NotifyLowProductQuantity;
use crate::product::{QuantityOnHand, Sku};

/// Reacts to shipments.
#[derive(Debug)]
pub struct LowProductQuantityNotification;

/// What it remembers: how many of each product are on hand, as of the event that it looks at. It
/// may not read the view, which could be older or newer than that.
#[derive(Debug, Default)]
pub struct Stock(HashMap<Sku, QuantityOnHand>);

impl ProcessManager for LowProductQuantityNotification {
    type Log = Warehouse;
    type State = Stock;

    const NAME: &'static str = "low-product-quantity-notification";

    fn evolve(Stock(on_hand): &mut Stock, event: &Recorded<WarehouseEvent>) {
        match &event.event {
            WarehouseEvent::ProductQuantityIncreased(increased) => {
                on_hand.insert(increased.sku.clone(), increased.quantity_on_hand);
            }
            WarehouseEvent::ProductQuantityShipped(shipped) => {
                on_hand.insert(shipped.sku.clone(), shipped.quantity_on_hand);
            }
            WarehouseEvent::NotifiedLowProductQuantity(_) => {}
        }
    }

    fn react(Stock(on_hand): &Stock, event: &Recorded<WarehouseEvent>) -> Reaction<Warehouse> {
        let WarehouseEvent::ProductQuantityShipped(shipped) = &event.event else {
            return Reaction::nothing();
        };
        match on_hand.get(&shipped.sku) {
            Some(&quantity) if quantity.is_low() => Reaction::issue(&NotifyLowProductQuantity {
                sku: shipped.sku.clone(),
                quantity,
            }),
            _ => Reaction::nothing(),
        }
    }
}
