//! What a relay must remember: one number, how far a log is published, and whose turn it is.

use std::future::Future;

use uuid::Uuid;

use crate::log::Source;
use crate::names::Position;

/// How far a log is published, as a relay has read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Published {
    /// The last position that is published.
    pub position: Position,
    /// How often an operator has rewound the relay: a rewind to the very position that a relay has read is
    /// a rewind all the same.
    pub generation: u64,
}

/// Stores one log's `published` and the relay's lease. Dropping any of these futures is safe.
pub trait RelayStore: Clone + Send + Sync + 'static {
    /// Takes or renews the lease for `holder`, for 2 s on the database's clock; whether it has it.
    fn lease(&self, holder: Uuid) -> impl Future<Output = Result<bool, Source>> + Send;

    /// Gives the lease back, so that another relay needn't wait for its end.
    fn release(&self, holder: Uuid) -> impl Future<Output = Result<(), Source>> + Send;

    /// How far the log is published.
    fn published(&self) -> impl Future<Output = Result<Published, Source>> + Send;

    /// Moves `published` to `to` if it is `from`, and nobody has rewound it since `from` was read; whether
    /// that is so. So neither a stale relay nor an operator's rewind is overwritten.
    fn advance(&self, from: Published, to: Position) -> impl Future<Output = Result<bool, Source>> + Send;
}
