//! Reads the log ahead of the fold, in a task of its own: Postgres, who decodes its rows and who folds them are at
//! work at once.

use callboard::Position;
use callboard::log::Slice;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::read::MOST_READ;
use crate::log::PgLog;

/// So many slices may wait, each of them within the bounds of a read.
const WAITING: usize = 1;
/// So many events one statement reads: its snapshot holds up no clean-up for long.
const COPIED: usize = 50_000;

/// What is being read ahead, if anything is. Dropped, nothing is read any more.
pub(super) struct Ahead<'a> {
    log: &'a PgLog,
    reading: Option<Reading>,
}

struct Reading {
    slices: mpsc::Receiver<Slice>,
    _task: AbortOnDropHandle<()>,
}

impl<'a> Ahead<'a> {
    /// Nothing yet.
    pub(super) fn of(log: &'a PgLog) -> Self {
        Self { log, reading: None }
    }

    /// The next slice. `None` when nothing is being read, also because that failed: whoever asks reads
    /// it then. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Option<Slice> {
        let slice = self.reading.as_mut()?.slices.recv().await;
        if slice.is_none() {
            self.reading = None;
        }
        slice
    }

    /// Reads on behind this slice, which is the last one that was read.
    pub(super) fn behind(&mut self, slice: &Slice) {
        let last = slice.events.last().filter(|_| slice.more);
        match (last, &self.reading) {
            (None, _) => self.stop(),
            (Some(_), Some(_)) => {}
            (Some(last), None) => {
                let (sender, slices) = mpsc::channel(WAITING);
                let reading = read(self.log.clone(), last.position, sender);
                let task = AbortOnDropHandle::new(tokio::spawn(reading));
                self.reading = Some(Reading { slices, _task: task });
            }
        }
    }

    /// Reads no further, and forgets what was read.
    pub(super) fn stop(&mut self) {
        self.reading = None;
    }
}

/// Until the log's end, an error, or when nobody receives any more.
async fn read(log: PgLog, behind: Position, slices: mpsc::Sender<Slice>) {
    let mut at = Some(behind);
    while let Some(behind) = at {
        at = log.copy(behind, (COPIED, MOST_READ), &slices).await.unwrap_or_default();
    }
}
