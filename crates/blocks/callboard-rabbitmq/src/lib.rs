#![doc = include_str!("../README.md")]

mod broker;
mod dead_letters;
mod error;
mod feed;
mod greeting;
pub mod message;
mod recent;
pub mod relay;
mod runs;
mod strikes;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod topology;

pub use broker::Broker;
pub use error::BrokerError;
pub use feed::{PREFETCH, QueueFeed, QueueFeeds};
pub use recent::Recent;
pub use relay::{Relay, RelayConfig, RelayHandle, RelayStatus};
pub use topology::Topology;

/// Directives for the log filter of a process that uses this crate: lapin reports what this crate
/// reports as well, and prints every returned message with its payload.
pub const LOG_DIRECTIVES: &str = "lapin=off";
