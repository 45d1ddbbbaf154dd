//! Commands with plausible random data, for tests: the same ones for the same seed.

#[cfg(test)]
mod tests;

use callboard::Command;
use serde_json::{Value, json};

use crate::increase_quantity::IncreaseProductQuantity;
use crate::notify_low_quantity::NotifyLowProductQuantity;
use crate::product::{Quantity, QuantityOnHand, Sku};
use crate::ship_quantity::ShipProductQuantity;

/// What SKUs consist of.
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

/// Makes commands that are all valid, and plausible: mostly small numbers, now and then the largest.
#[derive(Debug)]
pub struct Factory(fastrand::Rng);

impl Factory {
    /// A factory that makes the same commands for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// Any SKU.
    pub fn sku(&mut self) -> Sku {
        let length = if self.0.u8(..20) == 0 { 64 } else { self.0.usize(1..=12) };
        let letters = (0..length).map(|_| LETTERS[self.0.usize(..LETTERS.len())] as char);
        letters.collect::<String>().parse().expect("letters of a SKU")
    }

    /// An [`IncreaseProductQuantity`] of any product.
    pub fn increase_quantity(&mut self) -> IncreaseProductQuantity {
        let (sku, quantity) = (self.sku(), self.quantity());
        IncreaseProductQuantity { sku, quantity }
    }

    /// A [`ShipProductQuantity`] of any product.
    pub fn ship_quantity(&mut self) -> ShipProductQuantity {
        let (sku, quantity) = (self.sku(), self.quantity());
        ShipProductQuantity { sku, quantity }
    }

    /// A [`NotifyLowProductQuantity`] of any product.
    pub fn notify_low_quantity(&mut self) -> NotifyLowProductQuantity {
        let (sku, left) = (self.sku(), self.0.u8(..=5));
        let on_hand = (0..left).try_fold(QuantityOnHand::default(), |on_hand, _| {
            on_hand.plus(Quantity::new(1).ok()?)
        });
        NotifyLowProductQuantity {
            sku,
            quantity: on_hand.expect("a few ones"),
        }
    }

    fn quantity(&mut self) -> Quantity {
        if self.0.u8(..20) == 0 {
            return Quantity::MAX;
        }
        Quantity::new(self.0.i64(1..=100)).expect("a positive number")
    }
}

/// A command as a client sends it.
#[derive(Debug, Clone)]
pub struct Request {
    /// The command's name.
    pub command: &'static str,
    /// Where it is posted to.
    pub path: String,
    /// What is posted.
    pub body: Value,
}

impl Request {
    fn about<C: Command>(sku: &Sku, verb: &str, quantity: Quantity) -> Self {
        Self {
            command: C::NAME,
            path: format!("/warehouse/products/{sku}/{verb}"),
            body: json!({ "quantity": quantity }),
        }
    }
}

impl From<IncreaseProductQuantity> for Request {
    fn from(increase: IncreaseProductQuantity) -> Self {
        Self::about::<IncreaseProductQuantity>(&increase.sku, "increase_quantity", increase.quantity)
    }
}

impl From<ShipProductQuantity> for Request {
    fn from(ship: ShipProductQuantity) -> Self {
        Self::about::<ShipProductQuantity>(&ship.sku, "ship_quantity", ship.quantity)
    }
}
