//! Contract suites: what every log, feed and view store must do. Each implementation's tests call
//! them; a fake that doesn't pass them lies.

mod event_handlers;
mod feed;
mod log;
mod older;
mod parking;
mod process_managers;
mod stopped_managers;
mod turns;
mod views;

pub use event_handlers::{ItemsHandler, event_handlers};
pub use feed::feed;
pub use log::log;
pub use older::{OlderEvent, OlderLog};
pub use parking::parking;
pub use process_managers::{Tally, Tell, process_managers};
pub use stopped_managers::stopped_managers;
pub use turns::turns;
pub use views::{Item, ItemEvent, ItemFact, Items, ItemsLog, views};
