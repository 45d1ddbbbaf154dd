//! A warning is written that a product runs low. Sent by the process manager
//! `low-product-quantity-notification`, never by a client: it has no `http.rs`.

#[cfg(test)]
mod tests;

use callboard::{Command, Decision, EventType, Moment, Reads, Refusal, Route, StreamName, World};
use serde::{Deserialize, Serialize};

use crate::event::{Warehouse, WarehouseEvent};
use crate::product::{Product, QuantityOnHand, Sku};

/// Warn that so few of a product are left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NotifyLowProductQuantity {
    /// Which product.
    pub sku: Sku,
    /// How many a shipment left on hand.
    pub quantity: QuantityOnHand,
}

/// The warning was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NotifiedLowProductQuantity {
    /// Which product.
    pub sku: Sku,
    /// How many were left on hand by the shipment that the warning is about.
    pub quantity: QuantityOnHand,
}

impl NotifiedLowProductQuantity {
    /// The wire name.
    pub const NAME: &'static str = "NotifiedLowProductQuantity";
    /// What is written today.
    pub const TYPE: EventType = EventType::new(Self::NAME, 1);
}

impl Command for NotifyLowProductQuantity {
    type Log = Warehouse;
    const NAME: &'static str = "NotifyLowProductQuantity";
    const ROUTE: Route = Route {
        aggregate: "Product",
        stream: "product-{sku}",
        events: &[NotifiedLowProductQuantity::TYPE],
        refusals: &[],
    };

    fn stream(&self) -> StreamName {
        Product::stream(&self.sku)
    }

    fn reads(&self) -> Reads<Warehouse> {
        Reads::of::<Product>(self.stream())
    }

    /// Always a yes: the shipment has happened, whatever came in since.
    fn decide(&self, _: &World<'_, Warehouse>, _: &Moment) -> Result<Decision<WarehouseEvent>, Refusal> {
        Ok(Decision::event(NotifiedLowProductQuantity {
            sku: self.sku.clone(),
            quantity: self.quantity,
        }))
    }
}
