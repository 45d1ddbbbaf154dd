//! How much of the calendar is read at a look.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use callboard::cycle::Cycler;
use callboard::log::{LogReader, ReadError, Slice, StreamEvents};
use callboard::memory::MemoryLog;
use callboard::{Checkpoint, Position, StreamName, Version};
use jiff::civil::date;

use crate::calendar::CycleDay;
use crate::support::{FaultyLog, soon};
use crate::{Replica, dates, from};

/// A log that counts how many events of streams were read from it.
#[derive(Clone)]
struct Counting {
    inner: FaultyLog,
    events: Arc<AtomicUsize>,
}

impl Counting {
    /// How many since it was asked last.
    fn read(&self) -> usize {
        self.events.swap(0, Ordering::SeqCst)
    }
}

impl LogReader for Counting {
    async fn head(&self) -> Result<Checkpoint, ReadError> {
        self.inner.head().await
    }

    async fn read(&self, after: Position, limit: usize) -> Result<Slice, ReadError> {
        self.inner.read(after, limit).await
    }

    async fn read_streams(
        &self,
        streams: &[(StreamName, Version)],
        up_to: Position,
        limit: usize,
    ) -> Result<StreamEvents, ReadError> {
        let read = self.inner.read_streams(streams, up_to, limit).await?;
        self.events.fetch_add(read.events.len(), Ordering::SeqCst);
        Ok(read)
    }
}

fn counting(replica: &Replica) -> (Cycler<CycleDay, Counting>, Counting) {
    let inner = replica.log.clone();
    let events = Arc::default();
    let reader = Counting { inner, events };
    let cycler = replica.reading(reader.clone());
    (cycler, reader)
}

#[tokio::test(start_paused = true)]
async fn a_look_reads_what_is_new_and_the_one_event_before_it() {
    let log = MemoryLog::new();
    let replica = Replica::start(&log, "2020-01-01T12:00:00Z").await;
    replica.cycled().await;
    replica.clock.set("2026-03-01T12:00:00Z");
    assert_eq!(replica.cycled().await.len(), 2_251);

    let (mut cycler, reader) = counting(&replica);
    let mut look = async || soon(cycler.run_once(&replica.shutdown)).await.expect("a look");
    assert_eq!((look().await, reader.read()), (vec![], 2_252), "once all of it");
    for _ in 0..3 {
        assert_eq!((look().await, reader.read()), (vec![], 1));
    }
    replica.clock.set("2026-03-04T12:00:00Z");
    assert_eq!((look().await, reader.read()), (from(date(2026, 3, 2), 3), 1));
    assert_eq!((look().await, reader.read()), (vec![], 4), "what it cycled itself");
    // What another replica cycled.
    replica.clock.set("2026-03-06T12:00:00Z");
    assert_eq!(replica.cycled().await.len(), 2);
    assert_eq!((look().await, reader.read()), (vec![], 3));
    replica.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_log_that_was_put_back_is_read_anew() {
    let log = MemoryLog::new();
    let replica = Replica::start(&log, "2026-03-01T12:00:00Z").await;
    replica.cycled().await;
    replica.clock.set("2026-03-05T12:00:00Z");
    let (mut cycler, reader) = counting(&replica);
    assert_eq!(soon(cycler.run_once(&replica.shutdown)).await.expect("a look").len(), 4);
    assert_eq!(soon(cycler.run_once(&replica.shutdown)).await.expect("a look"), []);
    replica.stop().await;

    // It ends before the event that was the last; then there is another one in its place.
    log.put_back_to(Position::new(2));
    let again = Replica::start(&log, "2026-03-05T12:00:00Z").await;
    reader.read();
    let newest = soon(cycler.run_once(&again.shutdown)).await;
    assert!(newest.is_err(), "the writer that it sends to has ended");
    assert_eq!(reader.read(), 2);
    assert_eq!(again.cycled().await.len(), 3);
    assert_eq!(soon(cycler.run_once(&again.shutdown)).await.expect("a look"), []);
    assert_eq!(dates(&log).await, from(date(2026, 3, 1), 5));
    again.stop().await;
    log.put_back_to(Position::new(4));
    let last = Replica::start(&log, "2026-03-05T12:00:00Z").await;
    assert_eq!(last.cycled().await.len(), 1);
    reader.read();
    assert_eq!(soon(cycler.run_once(&last.shutdown)).await.expect("a look"), []);
    assert_eq!(
        reader.read(),
        6,
        "the last one isn't the one that it knows: all are read"
    );
    last.stop().await;
}
