//! The part of the suite that is about finance.

mod cycle;
mod invalid;
mod late_fees;
mod members;
mod refusals;
mod together;
mod walk;

pub(super) use cycle::cycle;
pub(super) use invalid::invalid;
pub(super) use late_fees::late_fees;
pub(super) use members::members;
pub(super) use refusals::refusals;
pub(super) use together::together;
pub(super) use walk::{empty, lists, walk};
