//! The log in Postgres.

mod append;
mod copy;
mod locked;
mod read;
mod rows;
mod turn;

use std::sync::Arc;
use std::time::Duration;

use callboard::log::{Append, AppendError, Appended, LogReader, LogStore, ReadError, Slice, StreamEvents};
use callboard::{Checkpoint, Log, Position, StreamName, Version};
use uuid::Uuid;

use crate::database::{Database, within};
use crate::error::Class;
use crate::inline::{Inline, InlineError, InlineProjections};
use crate::links::Links;

pub use locked::PgLocked;
pub(crate) use read::{read_at, read_slice};
pub use turn::PgTurn;

use append::AppendArrays;

/// How long an append may take before its outcome counts as unknown.
const APPEND_DEADLINE: Duration = Duration::from_secs(5);

/// One at a time appends; another one may still be ending.
const APPEND_CONNECTIONS: u32 = 4;

/// How often an append is tried while an inline projection must first be brought to the head.
const INLINE_TRIES: usize = 3;

/// One log in Postgres. Cheap to clone.
///
/// Appends have connections of their own. One is used again only after work that ended cleanly: what
/// a dropped future left behind in whatever state is closed, never reused.
#[derive(Clone)]
pub struct PgLog(Arc<Inner>);

struct Inner {
    name: &'static str,
    reads: Links,
    appends: Links,
    /// For a read: the server's own timeout ends it earlier, unless the connection is dead.
    read_deadline: Duration,
    /// For an append.
    deadline: Duration,
    inline: Option<Arc<dyn Inline>>,
}

impl PgLog {
    /// The log of `L`, for a writer and for whoever follows it.
    pub fn new<L: Log>(database: &Database) -> Self {
        let (reads, deadline) = (database.logs(), database.background_deadline());
        Self::with(database, L::NAME, reads, deadline, None)
    }

    /// The log of `L` with projections that are folded inside each append's transaction. Call
    /// [`InlineProjections::start`] before the first append.
    pub fn with_inline<L: Log>(database: &Database, projections: InlineProjections<L>) -> Self {
        let (reads, deadline) = (database.logs(), database.background_deadline());
        Self::with(database, L::NAME, reads, deadline, Some(Arc::new(projections)))
    }

    /// The log of `L`, read beside the queries: for event feeds and the like.
    pub fn for_queries<L: Log>(database: &Database) -> Self {
        let (reads, deadline) = (database.feeds(), database.query_deadline());
        Self::with(database, L::NAME, reads, deadline, None)
    }

    fn with(
        database: &Database,
        name: &'static str,
        reads: &Links,
        read_deadline: Duration,
        inline: Option<Arc<dyn Inline>>,
    ) -> Self {
        Self(Arc::new(Inner {
            name,
            reads: reads.clone(),
            appends: Links::new(
                database.append_options(),
                APPEND_CONNECTIONS,
                database.config().acquire_timeout,
            ),
            read_deadline,
            deadline: APPEND_DEADLINE,
            inline,
        }))
    }

    /// The log's name.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    async fn reading<T>(&self, read: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, ReadError> {
        let read = within(self.0.read_deadline, read).await;
        read.map_err(|source| ReadError {
            log: self.0.name.into(),
            source: source.into(),
        })
    }

    /// One statement, so that no BEGIN is sent: nothing can be left open.
    async fn append_alone(&self, append: &Append) -> Result<Appended, AppendError> {
        let arrays = AppendArrays::of(append)?;
        let mut connection = self
            .0
            .appends
            .take()
            .await
            .map_err(|error| AppendError::Unavailable(error.into()))?;
        let answer = async move {
            let answer = arrays.call(&mut connection, self.0.name).await;
            (connection, answer)
        };
        let Ok((connection, answer)) = tokio::time::timeout(self.0.deadline, answer).await else {
            return Err(AppendError::Unknown("the append's deadline has passed".into()));
        };
        connection.keep(answer.as_ref().err());
        answer.map_err(|error| append::append_error(error, Class::Lost))
    }

    async fn append_inline(&self, append: &Append, inline: &dyn Inline) -> Result<Appended, AppendError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let once = async { self.lock_inner().await?.append_inline(append, inline).await };
            let answer = tokio::time::timeout(self.0.deadline, once)
                .await
                .unwrap_or_else(|_| Err(AppendError::Unknown("the append's deadline has passed".into()).into()));
            match answer {
                Ok(appended) => return Ok(appended),
                Err(InlineError::Append(error)) => return Err(error),
                Err(InlineError::Behind(_)) if tries < INLINE_TRIES => {
                    inline
                        .catch_up()
                        .await
                        .map_err(|error| AppendError::Unavailable(error.into()))?;
                }
                Err(InlineError::Behind(reason)) => return Err(AppendError::Unavailable(reason.into())),
            }
        }
    }

    /// Begins a transaction that holds the log's lock.
    async fn lock_inner(&self) -> Result<PgLocked, AppendError> {
        PgLocked::begin(self).await
    }
}

impl LogReader for PgLog {
    async fn head(&self) -> Result<Checkpoint, ReadError> {
        let head: Option<(i64, Uuid)> = self
            .reading(async {
                let mut connection = self.0.reads.take().await?;
                let head = sqlx::query_as(include_str!("../../queries/read_head.sql"))
                    .bind(self.0.name)
                    .fetch_optional(&mut *connection)
                    .await;
                connection.keep(head.as_ref().err());
                head
            })
            .await?;
        Ok(head.map_or(Checkpoint::START, |(position, event_id)| Checkpoint {
            position: rows::position(position),
            event_id,
        }))
    }

    async fn read(&self, after: Position, limit: usize) -> Result<Slice, ReadError> {
        let read = async {
            let mut connection = self.0.reads.take().await?;
            let slice = read_slice(&mut connection, self.0.name, after, limit).await;
            connection.keep(slice.as_ref().err());
            slice
        };
        self.reading(read).await
    }

    async fn read_streams(
        &self,
        streams: &[(StreamName, Version)],
        up_to: Position,
        limit: usize,
    ) -> Result<StreamEvents, ReadError> {
        let read = async {
            let mut connection = self.0.reads.take().await?;
            let read = read::read_streams(&mut connection, self.0.name, streams, (up_to, limit)).await;
            connection.keep(read.as_ref().err());
            read
        };
        self.reading(read).await
    }
}

impl LogStore for PgLog {
    type Locked = PgLocked;
    type Turn = PgTurn;

    async fn append(&self, append: &Append) -> Result<Appended, AppendError> {
        metrics::counter!("callboard_append_transactions_total", "log" => self.0.name).increment(1);
        match &self.0.inline {
            // Without events there is nothing to fold.
            Some(inline) if !append.events.is_empty() => self.append_inline(append, &**inline).await,
            _ => self.append_alone(append).await,
        }
    }

    async fn lock(&self) -> Result<PgLocked, AppendError> {
        tokio::time::timeout(self.0.deadline, self.lock_inner())
            .await
            .unwrap_or_else(|_| Err(AppendError::Unavailable("the log's lock wasn't granted in time".into())))
    }

    async fn take_turn(&self, after: Position, limit: usize) -> Result<Option<(PgTurn, Slice)>, ReadError> {
        if self.0.inline.is_some() {
            // Its appends hold the lock across round trips anyway, and know nothing of the turn's connection.
            return Ok(None);
        }
        self.reading(PgTurn::take(self, after, limit)).await.map(Some)
    }
}
