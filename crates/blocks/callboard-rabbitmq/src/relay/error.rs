//! Why a relay has to begin anew.

use std::time::Duration;

use callboard::Position;
use callboard::log::{ReadError, Source};

use crate::error::BrokerError;

#[derive(Debug, thiserror::Error)]
pub(super) enum RelayError {
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error("the connection is lost")]
    Lost(#[source] Source),
    /// An outsider's queue that rejects, or a queue that is down.
    #[error("the broker did not take the event at position {position}: negative confirm")]
    NotTaken { position: Position },
    #[error("the event at position {position} wasn't confirmed within {within:?}")]
    Unconfirmed { position: Position, within: Duration },
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("how far the log is published can't be read or stored")]
    Store(#[source] Source),
    #[error("{what} took longer than {within:?}")]
    Slow { what: &'static str, within: Duration },
    #[error(
        "position {published} is published, but the log ends before it: it was put back; \
         `callboard relay rewind` tells the relay where to go on"
    )]
    BeyondHead { published: Position },
    #[error("the log has another event at position {position} than it had: another timeline")]
    OtherTimeline { position: Position },
}
