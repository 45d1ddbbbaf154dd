#![doc = include_str!("../README.md")]

mod admin;
pub mod assembly;
mod brokered;
pub mod cli;
mod config;
pub mod contexts;
mod demo;
mod embedded;
mod handlers;
mod inline;
mod lifecycle;
mod listen;
pub mod operator;
mod postgres;
mod probe;
mod settings;
mod telemetry;
mod watched;

pub use brokered::{start_command, start_projector};
pub use config::{Auth, Config, Topology};
pub use embedded::start as start_embedded;
pub use handlers::HandlerSettings;
pub use inline::start as start_inline;
pub use lifecycle::{Running, Service};
pub use settings::{Secret, Settings, SettingsError, VARIABLES, Variable, with_flags};
pub use telemetry::init as init_telemetry;
