#![doc = include_str!("../README.md")]

pub mod client;
pub mod conditions;
pub mod figures;
pub mod load;
pub mod machine;
pub mod options;
pub mod service;
pub mod table;

pub use options::Options;
