//! The one suite that every topology must pass, in parts.
//!
//! Each part asserts what the contract says, and notes its answers, which must be the same in every
//! topology. It leaves nothing under way behind: every notification it caused has arrived, so that
//! positions are the same as well.

mod bodies;
mod empty;
mod feed;
mod keys;
mod low_stock;
mod metadata;
mod ops;
mod paging;
mod preconditions;
mod requests;
mod smuggled;
mod tickets;
mod together;
mod validating;
mod waiting;
mod walk;

use futures::future::LocalBoxFuture;

use crate::system::System;
use crate::transcript::Transcript;

/// A part of the suite.
pub type Part = for<'a> fn(&'a System) -> LocalBoxFuture<'a, Transcript>;

/// Nothing is there yet, and nothing is an error.
pub const EMPTY: Part = |system| Box::pin(empty::empty(system));
/// The walk of the warehouse.
pub const WALK: Part = |system| Box::pin(walk::walk(system));
/// Quantities that are none.
pub const QUANTITIES: Part = |system| Box::pin(bodies::quantities(system));
/// The largest quantity, and what is beyond.
pub const OVERFLOW: Part = |system| Box::pin(bodies::overflow(system));
/// Bodies that are no JSON, or a trap.
pub const TRAPS: Part = |system| Box::pin(bodies::traps(system));
/// SKUs that are none.
pub const SKUS: Part = |system| Box::pin(requests::skus(system));
/// Routes, methods, content types and sizes.
pub const REQUESTS: Part = |system| Box::pin(requests::requests(system));
/// Requests that two servers could read differently.
pub const SMUGGLED: Part = |system| Box::pin(smuggled::smuggled(system));
/// Idempotency keys.
pub const KEYS: Part = |system| Box::pin(keys::keys(system));
/// The order of checks.
pub const CHECKS: Part = |system| Box::pin(keys::checks(system));
/// `If-Match`.
pub const PRECONDITIONS: Part = |system| Box::pin(preconditions::preconditions(system));
/// Many clients at once.
pub const TOGETHER: Part = |system| Box::pin(together::together(system));
/// Queries that wait for a position.
pub const WAITING: Part = |system| Box::pin(waiting::waiting(system));
/// Lists, page by page.
pub const PAGING: Part = |system| Box::pin(paging::paging(system));
/// What is low, and when that is said.
pub const LOW_STOCK: Part = |system| Box::pin(low_stock::low_stock(system));
/// The event feed, in pages.
pub const FEED: Part = |system| Box::pin(feed::pages(system));
/// The event feed, live.
pub const LIVE_FEED: Part = |system| Box::pin(feed::live(system));
/// Where events come from.
pub const METADATA: Part = |system| Box::pin(metadata::metadata(system));
/// Health and metrics.
pub const OPS: Part = |system| Box::pin(ops::ops(system));
/// A projection that an operator pauses.
pub const PAUSE: Part = |system| Box::pin(ops::pause(system));

/// The walk of a ticket.
pub const TICKET_WALK: Part = |system| Box::pin(tickets::walk::walk(system));
/// Who may do what with a ticket, and who sees it.
pub const TICKET_ACTORS: Part = |system| Box::pin(tickets::actors::actors(system));
/// Requests about tickets that are wrong, or refused.
pub const TICKET_REQUESTS: Part = |system| Box::pin(tickets::requests::requests(system));
/// Creations that are repeated.
pub const TICKET_CREATIONS: Part = |system| Box::pin(tickets::requests::creations(system));
/// The board, filtered and page by page, while tickets change.
pub const TICKET_BOARD: Part = |system| Box::pin(tickets::board::board(system));
/// Requests that are only to be validated.
pub const VALIDATING: Part = |system| Box::pin(validating::validating(system));

/// Every part with its name; the first one needs a system in which nothing has happened.
pub const PARTS: &[(&str, Part)] = &[
    ("empty", EMPTY),
    ("walk", WALK),
    ("quantities", QUANTITIES),
    ("overflow", OVERFLOW),
    ("traps", TRAPS),
    ("skus", SKUS),
    ("requests", REQUESTS),
    ("smuggled", SMUGGLED),
    ("keys", KEYS),
    ("checks", CHECKS),
    ("preconditions", PRECONDITIONS),
    ("together", TOGETHER),
    ("waiting", WAITING),
    ("paging", PAGING),
    ("low stock", LOW_STOCK),
    ("feed", FEED),
    ("live feed", LIVE_FEED),
    ("metadata", METADATA),
    ("ops", OPS),
    ("pause", PAUSE),
    ("ticket walk", TICKET_WALK),
    ("ticket actors", TICKET_ACTORS),
    ("ticket requests", TICKET_REQUESTS),
    ("ticket creations", TICKET_CREATIONS),
    ("ticket board", TICKET_BOARD),
    ("validating", VALIDATING),
];
