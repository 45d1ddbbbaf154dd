#![doc = include_str!("../README.md")]

mod clock;
mod database;
mod error;
mod event_handler;
mod halt;
mod housekeeping;
mod inline;
mod inspect;
mod links;
mod log;
mod migrate;
mod process_manager;
mod projection;
mod rebuild;
mod relay;
mod status;
#[cfg(feature = "testing")]
pub mod testing;
mod view;
mod wakeups;
mod watcher;

pub use database::{Database, DatabaseConfig, SERVICE_ROLE};
pub use error::PostgresError;
pub use event_handler::PgEventHandlerStore;
pub use housekeeping::{
    KEYS_KEPT_FOR, delete_expired_keys, order_handler_rate, pause_subscriber, resume_subscriber, rewind_relay,
};
pub use inline::InlineProjections;
pub use inspect::{Inspection, Trouble, inspect};
pub use log::{PgLocked, PgLog, PgTurn};
pub use migrate::{SchemaStatus, migrate, schema_status};
pub use process_manager::PgProcessManagerStore;
pub use projection::{PgParking, PgProjection};
pub use rebuild::{
    PgRebuild, RebuildStatus, RebuildStep, Rebuildable, Replaced, cancel_rebuild, drop_replaced, pause_rebuild,
    rebuild_projection, resume_rebuild, undo_rebuild,
};
pub use relay::PgRelayStore;
pub use status::{LogStatus, SubscriberStatus, status};
pub use view::{PgView, PgViews};
pub use wakeups::{Notifier, Wakeups};
