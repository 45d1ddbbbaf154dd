#![doc = include_str!("../README.md")]

pub mod calendar;
pub mod check;
pub mod clients;
pub mod fault;
pub mod ledger;
pub mod options;
pub mod patience;
pub mod plan;
pub mod probe;
pub mod report;
pub mod run;
pub mod servers;
pub mod service;
pub mod tally;
pub mod wishes;
pub mod world;

pub use options::Options;
pub use run::run;
