//! The warehouse's log and everything that can happen in it.

#[cfg(test)]
pub(crate) mod samples;

use callboard::{DecodeError, Event, EventType, Json, Log, RawEvent, to_json};

use crate::increase_quantity::ProductQuantityIncreased;
use crate::notify_low_quantity::NotifiedLowProductQuantity;
use crate::product::Sku;
use crate::ship_quantity::ProductQuantityShipped;

/// The context, and its log.
#[derive(Debug, Clone, Copy)]
pub struct Warehouse;

impl Log for Warehouse {
    const NAME: &'static str = "warehouse";
    type Event = WarehouseEvent;
}

/// A fact of the warehouse.
#[derive(Debug, Clone, PartialEq)]
pub enum WarehouseEvent {
    /// More of a product came in.
    ProductQuantityIncreased(ProductQuantityIncreased),
    /// Some of a product went out.
    ProductQuantityShipped(ProductQuantityShipped),
    /// A warning that a product runs low was written.
    NotifiedLowProductQuantity(NotifiedLowProductQuantity),
}

impl WarehouseEvent {
    /// Which product it is about.
    pub fn sku(&self) -> &Sku {
        match self {
            Self::ProductQuantityIncreased(increased) => &increased.sku,
            Self::ProductQuantityShipped(shipped) => &shipped.sku,
            Self::NotifiedLowProductQuantity(notified) => &notified.sku,
        }
    }
}

impl Event for WarehouseEvent {
    const TYPES: &'static [EventType] = &[
        ProductQuantityIncreased::TYPE,
        ProductQuantityShipped::TYPE,
        NotifiedLowProductQuantity::TYPE,
    ];

    fn event_type(&self) -> EventType {
        match self {
            Self::ProductQuantityIncreased(_) => ProductQuantityIncreased::TYPE,
            Self::ProductQuantityShipped(_) => ProductQuantityShipped::TYPE,
            Self::NotifiedLowProductQuantity(_) => NotifiedLowProductQuantity::TYPE,
        }
    }

    fn encode(&self) -> Result<Json, serde_json::Error> {
        match self {
            Self::ProductQuantityIncreased(increased) => to_json(increased),
            Self::ProductQuantityShipped(shipped) => to_json(shipped),
            Self::NotifiedLowProductQuantity(notified) => to_json(notified),
        }
    }

    /// One arm per type and version: a new shape gets an arm, old ones are upcast in theirs.
    fn decode(raw: &RawEvent) -> Result<Self, DecodeError> {
        match (&*raw.event_type, raw.schema_version) {
            (ProductQuantityIncreased::NAME, 1) => raw.data().map(Self::ProductQuantityIncreased),
            (ProductQuantityShipped::NAME, 1) => raw.data().map(Self::ProductQuantityShipped),
            (NotifiedLowProductQuantity::NAME, 1) => raw.data().map(Self::NotifiedLowProductQuantity),
            _ => Err(raw.unknown()),
        }
    }
}

impl From<ProductQuantityIncreased> for WarehouseEvent {
    fn from(increased: ProductQuantityIncreased) -> Self {
        Self::ProductQuantityIncreased(increased)
    }
}

impl From<ProductQuantityShipped> for WarehouseEvent {
    fn from(shipped: ProductQuantityShipped) -> Self {
        Self::ProductQuantityShipped(shipped)
    }
}

impl From<NotifiedLowProductQuantity> for WarehouseEvent {
    fn from(notified: NotifiedLowProductQuantity) -> Self {
        Self::NotifiedLowProductQuantity(notified)
    }
}

#[cfg(test)]
mod tests {
    use callboard::{Event, RawEvent};
    use serde_json::{Value, json};

    use super::WarehouseEvent;
    use crate::event::samples::{increased, notified, shipped};

    fn samples() -> Vec<(WarehouseEvent, &'static str, Value)> {
        vec![
            (
                increased("abc123", 50, 51),
                "ProductQuantityIncreased",
                json!({ "sku": "abc123", "quantity": 50, "quantity_on_hand": 51 }),
            ),
            (
                shipped("abc123", 49, 1),
                "ProductQuantityShipped",
                json!({ "sku": "abc123", "quantity": 49, "quantity_on_hand": 1 }),
            ),
            (
                notified("abc123", 1),
                "NotifiedLowProductQuantity",
                json!({ "sku": "abc123", "quantity": 1 }),
            ),
        ]
    }

    fn raw(event: &WarehouseEvent) -> RawEvent {
        let event_type = event.event_type();
        let data = event.encode().expect("an event has a JSON form");
        RawEvent {
            event_type: event_type.name.into(),
            schema_version: event_type.schema_version,
            data,
        }
    }

    #[test]
    fn the_wire_form_of_each_type_stays_as_it_was_released() {
        for (event, name, data) in samples() {
            let raw = raw(&event);
            assert_eq!((&*raw.event_type, raw.schema_version), (name, 1));
            assert_eq!(serde_json::from_str::<Value>(raw.data.get()).expect("JSON"), data);
        }
    }

    #[test]
    fn each_type_decodes_to_the_very_same_event() {
        for (event, _, _) in samples() {
            assert_eq!(
                WarehouseEvent::decode(&raw(&event)).expect("it was just encoded"),
                event
            );
        }
        let sampled: Vec<_> = samples().iter().map(|(event, _, _)| event.event_type()).collect();
        assert_eq!(sampled, WarehouseEvent::TYPES, "each type has a sample");
    }

    #[test]
    fn a_version_of_a_later_release_is_unknown() {
        let newer = RawEvent {
            schema_version: 2,
            ..raw(&shipped("abc123", 49, 1))
        };
        let error = WarehouseEvent::decode(&newer).expect_err("nobody knows it yet");
        assert_eq!(error.to_string(), "unknown event type ProductQuantityShipped v2");
    }
}
