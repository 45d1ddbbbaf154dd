//! The part of the suite that is about finance.

mod invalid;
mod members;
mod refusals;
mod together;
mod walk;

pub(super) use invalid::invalid;
pub(super) use members::members;
pub(super) use refusals::refusals;
pub(super) use together::together;
pub(super) use walk::{empty, lists, walk};
