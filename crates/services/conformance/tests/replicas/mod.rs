//! Two command services on one log.

mod answers;
mod cycle;
mod gone;
mod grants;
mod interleaved;
mod pair;
