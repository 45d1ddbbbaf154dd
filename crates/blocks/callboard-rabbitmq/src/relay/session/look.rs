//! Looks at the log, and at `published` with it.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

use callboard::log::{LogReader, Slice};
use callboard::relay::{Published, RelayStore};
use tokio::time::timeout;

use crate::relay::Ended;
use crate::relay::backlog::Offer;
use crate::relay::error::RelayError;
use crate::relay::session::Session;
use crate::runs::bytes;

/// How long the database may take for an answer.
const STORE_WITHIN: Duration = Duration::from_secs(5);
/// How many events a session reads first.
pub(super) const READ_FIRST: usize = 128;
/// The fewest and the most events of one read of the log, and about how many bytes it may have.
const READ_MIN: usize = 16;
const READ_MAX: usize = 1_000;
const READ_BYTES: usize = 4 * 1024 * 1024;

/// What a read of the log found, and `published` with it if that was asked for.
pub(super) struct Look {
    published: Option<Published>,
    /// How far the log had grown, as others had told before.
    told: u64,
    limit: usize,
    slice: Slice,
}

impl<R: LogReader, S: RelayStore> Session<'_, R, S> {
    /// Reads the log if it has more; with `published` when an idle relay looks by itself.
    pub(super) fn start_look(&mut self, whole: bool) {
        if !self.behind || self.looking.is_some() || self.backlog.len() >= self.relay.config.window {
            return;
        }
        self.behind = false;
        let (reader, stored) = (self.relay.reader.clone(), self.relay.store.clone());
        let (after, limit) = (self.backlog.tail(), self.read_limit);
        let told = self.relay.shared.grown.load(Ordering::Acquire);
        self.looking = Some(Box::pin(async move {
            let published = match whole {
                true => Some(store("reading how far is published", stored.published()).await?),
                false => None,
            };
            let within = STORE_WITHIN;
            let slice = timeout(within, reader.read(after, limit)).await;
            let slice = slice.map_err(|_| RelayError::Slow {
                what: "reading the log",
                within,
            })??;
            Ok(Look {
                published,
                told,
                limit,
                slice,
            })
        }));
        self.relay.shared.status.send_modify(|status| status.reads += 1);
    }

    pub(super) fn looked(&mut self, look: Look) -> Result<Option<Ended>, RelayError> {
        if look.published.is_some_and(|published| published != self.published) {
            return Ok(Some(Ended::Moved));
        }
        let position = self.backlog.tail();
        let Some(anchor) = look.slice.anchor else {
            return Err(RelayError::BeyondHead { published: position });
        };
        let (events, bytes) = (look.slice.events.len(), bytes(&look.slice.events));
        self.behind |= look.slice.more;
        if !look.slice.more {
            // A log that was put back may never get as far: not to look again and again for that.
            let (told, found) = (look.told, position.plus(events as u64).get());
            let grown = &self.relay.shared.grown;
            let _ = grown.compare_exchange(told, found, Ordering::AcqRel, Ordering::Relaxed);
        }
        if events == 0 && self.is_settled() {
            self.relay
                .shared
                .status
                .send_if_modified(|status| status.last_error.take().is_some());
        }
        // Large events in small reads, small ones in large reads: memory stays bounded.
        self.read_limit = if bytes > READ_BYTES {
            look.limit / 4
        } else {
            look.limit * 2
        }
        .clamp(READ_MIN, READ_MAX);
        match (
            self.backlog.anchor(anchor),
            self.backlog.offer(look.slice.events.into()),
        ) {
            (Offer::Taken, Offer::Taken) => Ok(None),
            _ => Err(RelayError::OtherTimeline { position }),
        }
    }
}

/// A call of the relay's store, with a deadline.
pub(super) async fn store<T>(
    what: &'static str,
    call: impl Future<Output = Result<T, callboard::log::Source>>,
) -> Result<T, RelayError> {
    match timeout(STORE_WITHIN, call).await {
        Ok(answer) => answer.map_err(RelayError::Store),
        Err(_) => Err(RelayError::Slow {
            what,
            within: STORE_WITHIN,
        }),
    }
}
