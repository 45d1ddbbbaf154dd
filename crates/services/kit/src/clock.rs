//! This host's clock, for the daily cycle.

use jiff::Timestamp;

/// The time as this host has it. Which date the daily cycle publishes next is asked of it; that each
/// is published once is the log's rule, whatever a clock says.
pub(crate) fn host_clock() -> Timestamp {
    Timestamp::now()
}
