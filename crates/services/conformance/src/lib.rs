#![doc = include_str!("../README.md")]

pub mod answer;
pub mod api;
pub mod backlog;
pub mod clock;
pub mod finance;
pub mod history;
pub mod load;
pub mod model;
pub mod node;
pub mod proxy;
pub mod random;
pub mod raw;
pub mod suite;
pub mod support;
pub mod system;
pub mod transcript;

pub use answer::Answer;
pub use api::{Api, Who};
pub use node::Node;
pub use system::{System, Topology};
pub use transcript::Transcript;
