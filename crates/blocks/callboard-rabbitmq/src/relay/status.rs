//! How a relay is doing: for readiness, metrics and tests.

use callboard::Position;

/// A relay's status, as one watch value. The counts are of this process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RelayStatus {
    /// Whether this relay has the lease.
    pub leader: bool,
    /// Whether it has a connection to the broker, with everything declared.
    pub connected: bool,
    /// How far the log is published, as last stored or seen.
    pub published: Position,
    /// Events sent and not yet confirmed in every message that they are in.
    pub in_flight: usize,
    /// The most that were ever in flight at once.
    pub most_in_flight: usize,
    /// Events sent.
    pub publishes: u64,
    /// Frames that they were sent in.
    pub frames: u64,
    /// Messages of single events that were sent: few while nobody has bound a queue for them.
    pub event_messages: u64,
    /// Times that `published` was moved.
    pub advances: u64,
    /// Events in frames that the broker could route to no queue: no subscriber of ours has one. They
    /// count as published.
    pub unroutable: u64,
    /// Reads of the log.
    pub reads: u64,
    /// Why the broker blocks, while it does.
    pub blocked: Option<String>,
    /// What went wrong last; `None` as soon as everything of an event is confirmed again.
    pub last_error: Option<String>,
}

impl RelayStatus {
    pub(super) fn step_down(&mut self) {
        self.leader = false;
        self.connected = false;
        self.in_flight = 0;
        self.blocked = None;
    }
}
