//! When a subscriber's queue is taken for dead.

use crate::error::BrokerError;

/// Failures in a row that only a dead queue explains, and whether the last attempt ended with one.
#[derive(Default)]
pub(crate) struct Strikes {
    in_a_row: u32,
    pub(crate) suspected: bool,
}

impl Strikes {
    const OUT: u32 = 3;

    /// Counts a failure; whether the queue is to be taken for dead.
    pub(crate) fn count(&mut self, error: &BrokerError) -> bool {
        self.suspected = error.smells_of_a_dead_queue();
        self.in_a_row = if self.suspected { self.in_a_row + 1 } else { 0 };
        let out = self.in_a_row == Self::OUT;
        if out {
            self.in_a_row = 0;
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use lapin::protocol::{AMQPError, AMQPErrorKind, AMQPHardError, AMQPSoftError};

    use super::*;

    fn refused(kind: AMQPErrorKind) -> BrokerError {
        let error = lapin::ErrorKind::ProtocolError(AMQPError::new(kind, "words".into()));
        BrokerError::call("consuming", lapin::Error::from(error))
    }

    #[test]
    fn a_queue_is_dead_after_three_failures_in_a_row_that_nothing_else_explains() {
        let internal = || refused(AMQPHardError::INTERNALERROR.into());
        let silence = || BrokerError::Deadline {
            what: "consuming".into(),
            within: std::time::Duration::ZERO,
        };
        let mut strikes = Strikes::default();
        let judged: Vec<bool> = [internal(), silence(), internal(), internal(), internal()]
            .iter()
            .map(|error| strikes.count(error))
            .collect();
        assert_eq!(judged, [false, false, true, false, false]);
        assert!(strikes.suspected, "the next attempt comes soon");

        let mut strikes = Strikes::default();
        let other = refused(AMQPSoftError::PRECONDITIONFAILED.into());
        let judged: Vec<bool> = [internal(), internal(), other, internal()]
            .iter()
            .map(|error| strikes.count(error))
            .collect();
        assert_eq!(judged, [false; 4]);
        strikes.count(&refused(AMQPSoftError::PRECONDITIONFAILED.into()));
        assert!(!strikes.suspected, "what it is, is known");
    }
}
