//! The view `products`: every SKU with its quantity on hand.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use callboard::{Projection, Recorded};
use serde::{Deserialize, Serialize};

use crate::event::{Warehouse, WarehouseEvent};
use crate::product::{QuantityOnHand, Sku};

/// Keeps the view.
#[derive(Debug)]
pub struct Products;

/// A product: a row of the table, and an object of the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProductRow {
    /// Which product.
    pub sku: Sku,
    /// How many are on hand.
    pub quantity: QuantityOnHand,
}

impl Projection for Products {
    type Log = Warehouse;
    type Key = Sku;
    type Row = ProductRow;

    const NAME: &'static str = "products";
    const VERSION: u32 = 1;
    const TABLE: &'static str = "warehouse.products";
    const KEY: &'static [&'static str] = &["sku"];
    /// Whatever a stream `product-…` will ever tell, it tells of its own SKU.
    const KEYED_BY_STREAM: bool = true;

    fn keys(event: &WarehouseEvent) -> Vec<Sku> {
        match event {
            WarehouseEvent::ProductQuantityIncreased(increased) => vec![increased.sku.clone()],
            WarehouseEvent::ProductQuantityShipped(shipped) => vec![shipped.sku.clone()],
            WarehouseEvent::NotifiedLowProductQuantity(_) => vec![],
        }
    }

    fn fold(sku: &Sku, row: Option<ProductRow>, event: &Recorded<WarehouseEvent>) -> Option<ProductRow> {
        let quantity = match &event.event {
            WarehouseEvent::ProductQuantityIncreased(increased) => increased.quantity_on_hand,
            WarehouseEvent::ProductQuantityShipped(shipped) => shipped.quantity_on_hand,
            WarehouseEvent::NotifiedLowProductQuantity(_) => return row,
        };
        Some(ProductRow {
            sku: sku.clone(),
            quantity,
        })
    }
}
