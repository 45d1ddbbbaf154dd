//! Events that are to be published next: gapless, in order, from the log or fresh from the writer.

use std::collections::VecDeque;
use std::sync::Arc;

use callboard::{Position, Recorded};
use uuid::Uuid;

use crate::runs::bytes;

/// A gapless queue of events behind `published`.
pub(super) struct Backlog {
    runs: VecDeque<Arc<[Recorded]>>,
    /// The index in the first run of the next event.
    next: usize,
    events: usize,
    /// Of their data.
    bytes: usize,
    tail: Position,
    /// The id of the event at the tail, once it was seen.
    tail_id: Option<Uuid>,
}

/// What a run is to a backlog.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// It continues the backlog, or is in it already.
    Taken,
    /// Something is missing before it.
    Gap,
    /// It is of another timeline.
    Mismatch,
}

impl Backlog {
    /// An empty backlog behind `published`.
    pub(super) fn new(published: Position) -> Self {
        let tail_id = (published == Position::START).then(Uuid::nil);
        Self {
            runs: VecDeque::new(),
            next: 0,
            events: 0,
            bytes: 0,
            tail: published,
            tail_id,
        }
    }

    /// Where it ends.
    pub(super) fn tail(&self) -> Position {
        self.tail
    }

    pub(super) fn len(&self) -> usize {
        self.events
    }

    /// How many bytes their data has.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Compares the id that the log has at the tail.
    pub(super) fn anchor(&mut self, id: Uuid) -> Offer {
        if *self.tail_id.get_or_insert(id) == id {
            Offer::Taken
        } else {
            Offer::Mismatch
        }
    }

    /// Takes what continues it.
    pub(super) fn offer(&mut self, run: Arc<[Recorded]>) -> Offer {
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            return Offer::Taken;
        };
        if last.position <= self.tail {
            return Offer::Taken;
        }
        if first.position > self.tail.next() {
            return Offer::Gap;
        }
        let skip = usize::try_from(self.tail.next().get() - first.position.get()).expect("it is within the run");
        if self.tail_id.is_some_and(|id| id != run[skip].previous_id) {
            return Offer::Mismatch;
        }
        (self.tail, self.tail_id) = (last.position, Some(last.id));
        self.events += run.len() - skip;
        self.bytes += bytes(&run[skip..]);
        if skip == 0 {
            self.runs.push_back(run);
        } else {
            self.runs.push_back(run[skip..].into());
        }
        Offer::Taken
    }

    /// The next event.
    pub(super) fn peek(&self) -> Option<&Recorded> {
        self.runs.front().map(|run| &run[self.next])
    }

    /// Goes on to the one after it.
    pub(super) fn advance(&mut self) {
        let Some(run) = self.runs.front() else { return };
        self.bytes -= bytes(&run[self.next..=self.next]);
        self.next += 1;
        self.events -= 1;
        if self.next == run.len() {
            self.runs.pop_front();
            self.next = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recent::tests::run;

    fn drained(backlog: &mut Backlog) -> Vec<u64> {
        let mut positions = Vec::new();
        while let Some(event) = backlog.peek() {
            positions.push(event.position.get());
            backlog.advance();
        }
        positions
    }

    #[test]
    fn what_continues_is_taken_once_and_in_order() {
        let mut backlog = Backlog::new(Position::new(2));
        assert_eq!(backlog.offer(run(1..=2)), Offer::Taken);
        assert_eq!(backlog.offer(run(2..=4)), Offer::Taken);
        assert_eq!(backlog.offer(run(3..=4)), Offer::Taken);
        assert_eq!(backlog.offer(run(5..=5)), Offer::Taken);
        assert_eq!((backlog.len(), backlog.tail()), (3, Position::new(5)));
        assert_eq!(backlog.bytes(), 3 * "null".len());
        assert_eq!(drained(&mut backlog), [3, 4, 5]);
        assert_eq!((backlog.len(), backlog.tail()), (0, Position::new(5)));
        assert_eq!(backlog.bytes(), 0);
    }

    #[test]
    fn a_gap_is_not_jumped() {
        let mut backlog = Backlog::new(Position::START);
        assert_eq!(backlog.offer(run(2..=3)), Offer::Gap);
        assert_eq!(backlog.offer(run(1..=1)), Offer::Taken);
        assert_eq!(backlog.offer(run(3..=3)), Offer::Gap);
        assert_eq!(drained(&mut backlog), [1]);
    }

    #[test]
    fn another_timeline_is_not_continued() {
        let mut backlog = Backlog::new(Position::new(2));
        assert_eq!(backlog.anchor(Uuid::from_u128(9)), Offer::Taken);
        assert_eq!(backlog.offer(run(3..=3)), Offer::Mismatch);
        assert_eq!(backlog.anchor(Uuid::from_u128(2)), Offer::Mismatch);
    }
}
