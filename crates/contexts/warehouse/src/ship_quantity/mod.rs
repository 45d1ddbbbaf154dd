//! Some of a product goes out, never more than there is.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use callboard::{Command, Decision, EventType, Moment, Reads, Refusal, Route, StreamName, World};
use serde::{Deserialize, Serialize};

use crate::event::{Warehouse, WarehouseEvent};
use crate::product::{Product, Quantity, QuantityOnHand, Sku};

/// Ship so many of a product.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ShipProductQuantity {
    /// Which product.
    pub sku: Sku,
    /// How many to ship.
    pub quantity: Quantity,
}

/// Some of a product went out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProductQuantityShipped {
    /// Which product.
    pub sku: Sku,
    /// How many went out.
    pub quantity: Quantity,
    /// How many are on hand since.
    pub quantity_on_hand: QuantityOnHand,
}

impl ProductQuantityShipped {
    /// The wire name.
    pub const NAME: &'static str = "ProductQuantityShipped";
    /// What is written today.
    pub const TYPE: EventType = EventType::new(Self::NAME, 1);
}

impl Command for ShipProductQuantity {
    type Log = Warehouse;
    const NAME: &'static str = "ShipProductQuantity";
    const ROUTE: Route = Route {
        aggregate: "Product",
        stream: "product-{sku}",
        events: &[ProductQuantityShipped::TYPE],
        refusals: &["insufficient-quantity-on-hand"],
    };

    fn stream(&self) -> StreamName {
        Product::stream(&self.sku)
    }

    fn reads(&self) -> Reads<Warehouse> {
        Reads::of::<Product>(self.stream())
    }

    fn decide(&self, world: &World<'_, Warehouse>, _: &Moment) -> Result<Decision<WarehouseEvent>, Refusal> {
        let product = world.aggregate::<Product>(&self.stream());
        let quantity_on_hand = product.quantity_on_hand.minus(self.quantity).ok_or_else(insufficient)?;
        Ok(Decision::event(ProductQuantityShipped {
            sku: self.sku.clone(),
            quantity: self.quantity,
            quantity_on_hand,
        }))
    }
}

fn insufficient() -> Refusal {
    Refusal::rule("insufficient-quantity-on-hand", "Insufficient quantity on hand.")
}
