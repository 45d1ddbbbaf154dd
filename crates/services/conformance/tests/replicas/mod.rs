//! Two command services on one log.

mod answers;
mod gone;
mod interleaved;
mod pair;
