//! More of a product comes in.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use callboard::{Command, Decision, EventType, Moment, Reads, Refusal, Route, StreamName, World};
use serde::{Deserialize, Serialize};

use crate::event::{Warehouse, WarehouseEvent};
use crate::product::{Product, Quantity, QuantityOnHand, Sku};

/// Put so many more of a product on hand. An unknown SKU starts at 0.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IncreaseProductQuantity {
    /// Which product.
    pub sku: Sku,
    /// How many more.
    pub quantity: Quantity,
}

/// More of a product came in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProductQuantityIncreased {
    /// Which product.
    pub sku: Sku,
    /// How many came in.
    pub quantity: Quantity,
    /// How many are on hand since.
    pub quantity_on_hand: QuantityOnHand,
}

impl ProductQuantityIncreased {
    /// The wire name.
    pub const NAME: &'static str = "ProductQuantityIncreased";
    /// What is written today.
    pub const TYPE: EventType = EventType::new(Self::NAME, 1);
}

impl Command for IncreaseProductQuantity {
    type Log = Warehouse;
    const NAME: &'static str = "IncreaseProductQuantity";
    const ROUTE: Route = Route {
        aggregate: "Product",
        stream: "product-{sku}",
        events: &[ProductQuantityIncreased::TYPE],
        refusals: &["quantity-on-hand-overflow"],
    };

    fn stream(&self) -> StreamName {
        Product::stream(&self.sku)
    }

    fn reads(&self) -> Reads<Warehouse> {
        Reads::of::<Product>(self.stream())
    }

    fn decide(&self, world: &World<'_, Warehouse>, _: &Moment) -> Result<Decision<WarehouseEvent>, Refusal> {
        let product = world.aggregate::<Product>(&self.stream());
        let quantity_on_hand = product.quantity_on_hand.plus(self.quantity).ok_or_else(overflow)?;
        Ok(Decision::event(ProductQuantityIncreased {
            sku: self.sku.clone(),
            quantity: self.quantity,
            quantity_on_hand,
        }))
    }
}

fn overflow() -> Refusal {
    Refusal::rule(
        "quantity-on-hand-overflow",
        "The quantity on hand would exceed 9223372036854775807.",
    )
}
