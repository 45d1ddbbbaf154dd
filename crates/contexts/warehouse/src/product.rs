//! The product: one per SKU, and the words that all features share.

use std::fmt;
use std::str::FromStr;

use callboard::{Aggregate, StreamName};
use serde::{Deserialize, Serialize};

use crate::event::{Warehouse, WarehouseEvent};

/// A product's quantity is low at this many on hand and below.
pub const LOW_QUANTITY: QuantityOnHand = QuantityOnHand(5);

/// The state of one SKU's stream: what the decisions see.
#[derive(Debug, Clone, Default)]
pub struct Product {
    /// How many are on hand; 0 for an unknown SKU.
    pub quantity_on_hand: QuantityOnHand,
}

impl Product {
    /// The stream of this SKU's product.
    pub fn stream(sku: &Sku) -> StreamName {
        StreamName::of("product", sku)
    }
}

impl Aggregate for Product {
    type Log = Warehouse;

    fn evolve(&mut self, event: &WarehouseEvent) {
        match event {
            WarehouseEvent::ProductQuantityIncreased(increased) => self.quantity_on_hand = increased.quantity_on_hand,
            WarehouseEvent::ProductQuantityShipped(shipped) => self.quantity_on_hand = shipped.quantity_on_hand,
            WarehouseEvent::NotifiedLowProductQuantity(_) => {}
        }
    }
}

/// A stock-keeping unit: 1 to 64 of the letters, digits, `.`, `_` and `-` of ASCII.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Sku(String);

/// What no SKU looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a SKU is 1 to 64 of letters, digits, '.', '_' and '-'")]
pub struct InvalidSku;

impl TryFrom<String> for Sku {
    type Error = InvalidSku;

    fn try_from(text: String) -> Result<Self, InvalidSku> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let valid = (1..=64).contains(&text.len()) && text.bytes().all(allowed);
        if valid { Ok(Self(text)) } else { Err(InvalidSku) }
    }
}

impl FromStr for Sku {
    type Err = InvalidSku;

    fn from_str(text: &str) -> Result<Self, InvalidSku> {
        text.to_owned().try_into()
    }
}

impl fmt::Display for Sku {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A quantity to move: 1 to 9,223,372,036,854,775,807.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Quantity(i64);

/// What no quantity looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an integer from 1 to 9223372036854775807")]
pub struct InvalidQuantity;

impl Quantity {
    /// The largest quantity.
    pub const MAX: Self = Self(i64::MAX);

    /// The quantity of so many.
    ///
    /// # Errors
    /// [`InvalidQuantity`] for 0 and below.
    pub fn new(quantity: i64) -> Result<Self, InvalidQuantity> {
        if quantity > 0 {
            Ok(Self(quantity))
        } else {
            Err(InvalidQuantity)
        }
    }

    /// The number itself.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Quantity {
    /// Whatever else comes in its place (a float, a string, 2^63), the refusal names the rule.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl serde::de::Visitor<'_> for Visitor {
            type Value = Quantity;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&InvalidQuantity, f)
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Quantity, E> {
                let quantity = i64::try_from(number)
                    .map_err(|_| InvalidQuantity)
                    .and_then(Quantity::new);
                quantity.map_err(|_| E::invalid_value(serde::de::Unexpected::Unsigned(number), &self))
            }
        }

        deserializer.deserialize_u64(Visitor)
    }
}

/// How many of a product are on hand: 0 to 9,223,372,036,854,775,807.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct QuantityOnHand(i64);

impl QuantityOnHand {
    /// So many more; `None` beyond a signed 64-bit integer.
    pub fn plus(self, quantity: Quantity) -> Option<Self> {
        self.0.checked_add(quantity.0).map(Self)
    }

    /// So many fewer; `None` when there aren't enough.
    pub fn minus(self, quantity: Quantity) -> Option<Self> {
        (quantity.0 <= self.0).then(|| Self(self.0 - quantity.0))
    }

    /// Whether it is low.
    pub fn is_low(self) -> bool {
        self <= LOW_QUANTITY
    }

    /// The number itself.
    pub fn get(self) -> i64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sku_is_1_to_64_of_the_allowed_characters() {
        for valid in ["a", "ABC-123_x.9", ".", &"s".repeat(64)] {
            assert_eq!(valid.parse::<Sku>().map(|sku| sku.to_string()), Ok(valid.to_owned()));
        }
        for invalid in ["", "a b", "a/b", "ä", "a\0", "a\n", &"s".repeat(65)] {
            assert_eq!(invalid.parse::<Sku>(), Err(InvalidSku), "{invalid:?}");
        }
    }

    #[test]
    fn a_quantity_is_a_positive_signed_64_bit_integer() {
        for valid in ["1", "50", "9223372036854775807"] {
            assert_eq!(
                serde_json::from_str::<Quantity>(valid).expect(valid).get().to_string(),
                valid
            );
        }
        for invalid in [
            "0",
            "-1",
            "1.5",
            "50.0",
            "\"50\"",
            "9223372036854775808",
            "1e3",
            "null",
            "[1]",
            "true",
        ] {
            let error = serde_json::from_str::<Quantity>(invalid)
                .expect_err(invalid)
                .to_string();
            assert!(
                error.contains("an integer from 1 to 9223372036854775807"),
                "{invalid}: {error}"
            );
        }
    }
}
