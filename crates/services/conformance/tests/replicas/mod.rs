//! Two command services on one log.

mod answers;
mod gone;
mod grants;
mod interleaved;
mod pair;
