//! The log's storage, as the writer and the subscribers see it.
//!
//! Implementations: [`crate::memory::MemoryLog`], and `PgLog` in `callboard-postgres`. Both pass
//! [`crate::contract::log`].

use std::error::Error as StdError;
use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::event::{Json, Metadata, RawEvent, Recorded};
use crate::names::{Checkpoint, Position, StreamName, Version};

/// The most events of one command, and of one append.
pub const COMMAND_MAX_EVENTS: usize = 10_000;
/// The most bytes of event data of one command, and of one append.
pub const COMMAND_MAX_BYTES: usize = 8 * 1024 * 1024;

/// What went wrong underneath, for the log file.
pub type Source = Box<dyn StdError + Send + Sync>;

/// A read of the log that failed; always worth a retry.
#[derive(Debug, thiserror::Error)]
#[error("the log {log} can't be read")]
pub struct ReadError {
    /// The log's name.
    pub log: String,
    /// The cause.
    #[source]
    pub source: Source,
}

/// A run of a log, read at a place.
#[derive(Debug, Clone, Default)]
pub struct Slice {
    /// The id of the event AT the position after which the events were asked for: nil at
    /// [`Position::START`], `None` when the log ends before it. Whoever holds another id there
    /// holds another timeline.
    pub anchor: Option<Uuid>,
    /// The events behind it, gapless and in order.
    pub events: Vec<Recorded>,
    /// Whether there may be more behind these: the limit or [`READ_MAX_BYTES`] ended the read.
    pub more: bool,
}

/// Events of several streams.
#[derive(Debug, Clone, Default)]
pub struct StreamEvents {
    /// Ordered by stream and version.
    pub events: Vec<Recorded>,
    /// Whether there may be more behind these: the limit or [`READ_MAX_BYTES`] ended the read.
    pub more: bool,
    /// The id of the log's event at the position up to which was read, as of this very read; `None` when
    /// it has none there. Whoever goes on from that position by another id is of another timeline.
    pub anchor: Option<Uuid>,
}

/// A read from a store ends with the event that reaches so many bytes of data and metadata, so that
/// what a reader holds is bounded however large the events are.
pub const READ_MAX_BYTES: usize = 8 << 20;

/// Reads one log. Dropping any of these futures is safe.
pub trait LogReader: Clone + Send + Sync + 'static {
    /// The last position and its event's id, from the primary.
    fn head(&self) -> impl Future<Output = Result<Checkpoint, ReadError>> + Send;

    /// At most `limit` events behind `after`, with the anchor at `after` itself: at least one if
    /// there is any.
    fn read(&self, after: Position, limit: usize) -> impl Future<Output = Result<Slice, ReadError>> + Send;

    /// The events of several streams, each behind the given version, up to `up_to` (inclusive),
    /// ordered by stream and version, at most `limit` in all: at least one if there is any.
    fn read_streams(
        &self,
        streams: &[(StreamName, Version)],
        up_to: Position,
        limit: usize,
    ) -> impl Future<Output = Result<StreamEvents, ReadError>> + Send;
}

/// An event that is about to be appended.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Its id (UUID v7).
    pub id: Uuid,
    /// Its stream.
    pub stream: StreamName,
    /// Its number in the stream.
    pub version: Version,
    /// The wire name.
    pub event_type: &'static str,
    /// The version of the data's shape.
    pub schema_version: u32,
    /// The data.
    pub data: Json,
    /// Where it comes from.
    pub metadata: Metadata,
}

/// Whose idempotency key it is: never taken from the request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    /// `client:<organisation or ->` or `pm:<name>`.
    pub scope: Arc<str>,
    /// The key, 1 to 255 visible characters.
    pub key: Arc<str>,
}

/// SHA-256 of the command's name, stream and canonical body.
pub type Fingerprint = [u8; 32];

/// A key that goes with an append.
#[derive(Debug, Clone)]
pub struct AppendKey {
    /// The key.
    pub key: IdempotencyKey,
    /// What the key was used for.
    pub fingerprint: Fingerprint,
    /// The receipt to store with it; `None` only looks whether the key is known.
    pub receipt: Option<Json>,
}

/// One compare-and-append.
#[derive(Debug, Clone, Default)]
pub struct Append {
    /// The head that the events were decided on. Position AND id are compared, so that a head of
    /// another timeline is never taken for it.
    pub expected: Checkpoint,
    /// The events for `expected.position + 1` on, in order.
    pub events: Vec<NewEvent>,
    /// Keys to store with the events, and keys to look up.
    pub keys: Vec<AppendKey>,
}

impl Append {
    /// The events as the log has recorded them, once it has appended them.
    pub fn recorded(&self, recorded_at: Timestamp) -> impl Iterator<Item = Recorded> {
        let mut last = self.expected;
        self.events.iter().map(move |event| {
            let recorded = Recorded {
                position: last.position.next(),
                stream: event.stream.clone(),
                version: event.version,
                id: event.id,
                previous_id: last.event_id,
                event: RawEvent {
                    event_type: event.event_type.into(),
                    schema_version: event.schema_version,
                    data: event.data.clone(),
                },
                metadata: event.metadata.clone(),
                recorded_at,
            };
            last = recorded.checkpoint();
            recorded
        })
    }
}

/// A key that was stored before.
#[derive(Debug, Clone)]
pub struct KnownKey {
    /// Its index in [`Append::keys`].
    pub index: usize,
    /// What it was used for.
    pub fingerprint: Fingerprint,
    /// The receipt of then.
    pub receipt: Json,
}

/// What an append came to.
#[derive(Debug, Clone)]
pub enum Appended {
    /// Everything is recorded (now, or by an earlier try of the very same append); an append
    /// without events was confirmed to stand on the head.
    Done {
        /// The time that the log gave the events.
        recorded_at: Timestamp,
    },
    /// Nothing was recorded: some keys are known already.
    KnownKeys(Vec<KnownKey>),
    /// Nothing was recorded: the head is another one.
    HeadMoved(Checkpoint),
}

/// Why an append failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// Nothing was recorded; the log can't be reached or is locked by somebody else.
    #[error("the log can't be appended to at present")]
    Unavailable(#[source] Source),
    /// It isn't known whether it was recorded: the same append is to be repeated.
    #[error("it isn't known whether the append was recorded")]
    Unknown(#[source] Source),
    /// Nothing was recorded: the store refuses these events for what is in them.
    #[error("the store refuses the batch")]
    Rejected(#[source] Source),
    /// Nothing was recorded: an inline projection failed on these events.
    #[error("a projection failed on the batch")]
    Projection(#[source] Source),
}

/// A log that can be appended to.
pub trait LogStore: LogReader {
    /// The log with its append lock held; dropping it lets go of the lock and of everything done.
    type Locked: LockedLog;
    /// A turn among the writers of the log; dropping it passes it on.
    type Turn: Turn;

    /// Appends everything, if the head is `expected` and none of the keys is known; or nothing.
    ///
    /// Idempotent: an append whose first event stands right behind `expected` already answers
    /// [`Appended::Done`]. Dropping the future leaves the outcome unknown.
    fn append(&self, append: &Append) -> impl Future<Output = Result<Appended, AppendError>> + Send;

    /// Takes the append lock, so that the head stands still until the answer is dropped or
    /// appended with. For the writer's second try when others keep moving the head.
    fn lock(&self) -> impl Future<Output = Result<Self::Locked, AppendError>> + Send;

    /// Waits for one's turn among the writers that share this log, and reads what they have recorded behind
    /// `after`, as [`LogReader::read`] does: who decides while another one appends decides in vain. `None`
    /// where nobody takes turns. A courtesy and no lock: the head may move nevertheless, and whoever doesn't
    /// get a turn soon gets an error, and appends without. Dropping the future passes the turn on.
    fn take_turn(
        &self,
        after: Position,
        limit: usize,
    ) -> impl Future<Output = Result<Option<(Self::Turn, Slice)>, ReadError>> + Send;
}

/// A log whose head stands still.
pub trait LockedLog: Send {
    /// As [`LogReader::read`], under the lock.
    fn read(&mut self, after: Position, limit: usize) -> impl Future<Output = Result<Slice, AppendError>> + Send;

    /// As [`LogStore::append`], in the transaction that holds the lock; ends it.
    fn append(self, append: &Append) -> impl Future<Output = Result<Appended, AppendError>> + Send;
}

/// A turn among the writers of a log.
pub trait Turn: Send {
    /// As [`LogStore::append`]; passes the turn on when that is done.
    fn append(self, append: &Append) -> impl Future<Output = Result<Appended, AppendError>> + Send;
}
