#![doc = include_str!("../README.md")]

// The tests inside share their fixtures with those outside, which know the crate by its name.
#[cfg(test)]
extern crate self as callboard;

mod aggregate;
mod command;
mod context;
pub mod contract;
pub mod cycle;
mod event;
pub mod event_handler;
pub mod log;
pub mod memory;
mod names;
pub mod parking;
pub mod pipeline;
pub mod process_manager;
pub mod projection;
mod receipt;
pub mod relay;
mod router;
pub mod spec;
pub mod subscription;
pub mod view;
mod world;
pub mod writer;

pub use aggregate::{Aggregate, LiveModel};
pub use command::{Actor, Command, Decision, Forbidden, Moment, Reads, Refusal, RefusalKind, Route};
pub use context::{Context, Subscribers};
pub use cycle::Cycle;
pub use event::{
    DecodeError, EVENT_MAX_BYTES, EVENT_TYPE_MAX, Event, EventType, Json, Log, METADATA_FIELD_MAX, METADATA_MAX_BYTES,
    Metadata, PublicEvent, RawEvent, Recorded, to_json,
};
pub use event_handler::{EventHandler, HandlerError};
pub use log::IdempotencyKey;
pub use names::{Checkpoint, InvalidStreamName, Position, StreamName, Version};
pub use parking::OnFailure;
pub use process_manager::{ProcessManager, Reaction};
pub use projection::Projection;
pub use receipt::{CommandContext, CommandError, Executed, IfMatch, Receipt, ReceiptEvent};
pub use router::{ListedCommand, RouteError, Router};
pub use view::{Page, Standing, View, ViewError, Views};
pub use world::World;
pub use writer::Commands;

/// What a panic said.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".into())
}

/// An error with all of its causes on one line, for the edge where it is printed once.
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let more = source.to_string();
        // Some libraries repeat the cause in their own words.
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = source.source();
    }
    text
}
