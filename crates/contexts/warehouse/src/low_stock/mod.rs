//! The view `low_stock`: the to-do list of what a shipment has made low, and when it was last
//! notified.
//!
//! A shipment that leaves a low quantity puts the product on the list. An increase beyond low
//! takes it off; a smaller one only changes its quantity. A product that came in in small numbers
//! and was never shipped is not on the list: nobody has run short of it.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use callboard::{Projection, Recorded};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::{Warehouse, WarehouseEvent};
use crate::product::{QuantityOnHand, Sku};

/// Keeps the view.
#[derive(Debug)]
pub struct LowStock;

/// A product that is low: a row of the table, and an object of the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LowStockRow {
    /// Which product.
    pub sku: Sku,
    /// How many are on hand.
    pub quantity: QuantityOnHand,
    /// When a notification was last written since it is low.
    pub last_notified_at: Option<Timestamp>,
}

impl Projection for LowStock {
    type Log = Warehouse;
    type Key = Sku;
    type Row = LowStockRow;

    const NAME: &'static str = "low_stock";
    const VERSION: u32 = 1;
    const TABLE: &'static str = "warehouse.low_stock";
    const KEY: &'static [&'static str] = &["sku"];
    /// Whatever a stream `product-…` will ever tell, it tells of its own SKU.
    const KEYED_BY_STREAM: bool = true;

    fn keys(event: &WarehouseEvent) -> Vec<Sku> {
        vec![event.sku().clone()]
    }

    fn fold(sku: &Sku, row: Option<LowStockRow>, event: &Recorded<WarehouseEvent>) -> Option<LowStockRow> {
        match &event.event {
            WarehouseEvent::ProductQuantityIncreased(increased) => {
                let quantity = increased.quantity_on_hand;
                row.filter(|_| quantity.is_low())
                    .map(|row| LowStockRow { quantity, ..row })
            }
            WarehouseEvent::ProductQuantityShipped(shipped) => {
                let quantity = shipped.quantity_on_hand;
                let last_notified_at = row.and_then(|row| row.last_notified_at);
                quantity.is_low().then(|| LowStockRow {
                    sku: sku.clone(),
                    quantity,
                    last_notified_at,
                })
            }
            WarehouseEvent::NotifiedLowProductQuantity(_) => row.map(|row| LowStockRow {
                last_notified_at: Some(event.recorded_at),
                ..row
            }),
        }
    }
}
