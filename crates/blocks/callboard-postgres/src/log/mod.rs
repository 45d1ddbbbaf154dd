//! The log in Postgres.

mod append;
mod link;
mod locked;
mod read;
mod rows;

use std::sync::Arc;
use std::time::Duration;

use callboard::log::{Append, AppendError, Appended, LogReader, LogStore, ReadError, Slice, StreamEvents};
use callboard::{Checkpoint, Log, Position, StreamName, Version};
use futures::TryStreamExt;
use sqlx::{PgPool, Row};
use uuid::Uuid;

use crate::database::{Database, within};
use crate::error::Class;
use crate::inline::{Inline, InlineError, InlineProjections};

pub use locked::PgLocked;
pub(crate) use read::{read_at, read_slice};

use append::AppendArrays;
use link::Link;
use read::hold;

/// How long an append may take before its outcome counts as unknown.
const APPEND_DEADLINE: Duration = Duration::from_secs(5);

/// How often an append is tried while an inline projection must first be brought to the head.
const INLINE_TRIES: usize = 3;

/// One log in Postgres. Cheap to clone.
///
/// Reads go through a pool; appends have a connection of their own, which is used again only after
/// an append that ended cleanly. So a connection that a dropped future left behind in whatever
/// state is closed, never reused.
#[derive(Clone)]
pub struct PgLog(Arc<Inner>);

struct Inner {
    name: &'static str,
    pool: PgPool,
    link: Link,
    /// For a read: the server's own timeout ends it earlier, unless the connection is dead.
    read_deadline: Duration,
    /// For an append.
    deadline: Duration,
    inline: Option<Arc<dyn Inline>>,
}

impl PgLog {
    /// The log of `L`, for a writer and for whoever follows it.
    pub fn new<L: Log>(database: &Database) -> Self {
        let (pool, deadline) = (database.logs(), database.background_deadline());
        Self::with(database, L::NAME, pool, deadline, None)
    }

    /// The log of `L` with projections that are folded inside each append's transaction. Call
    /// [`InlineProjections::start`] before the first append.
    pub fn with_inline<L: Log>(database: &Database, projections: InlineProjections<L>) -> Self {
        let (pool, deadline) = (database.logs(), database.background_deadline());
        Self::with(database, L::NAME, pool, deadline, Some(Arc::new(projections)))
    }

    /// The log of `L`, read through the pool for queries: for event feeds and the like.
    pub fn for_queries<L: Log>(database: &Database) -> Self {
        let (pool, deadline) = (database.queries(), database.query_deadline());
        Self::with(database, L::NAME, pool, deadline, None)
    }

    fn with(
        database: &Database,
        name: &'static str,
        pool: &PgPool,
        read_deadline: Duration,
        inline: Option<Arc<dyn Inline>>,
    ) -> Self {
        Self(Arc::new(Inner {
            name,
            pool: pool.clone(),
            link: Link::new(database),
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
            .link
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
        self.0.link.keep(connection, answer.as_ref().err());
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
        let head = sqlx::query_as(include_str!("../../queries/read_head.sql"))
            .bind(self.0.name)
            .fetch_optional(&self.0.pool);
        let head: Option<(i64, Uuid)> = self.reading(head).await?;
        Ok(head.map_or(Checkpoint::START, |(position, event_id)| Checkpoint {
            position: rows::position(position),
            event_id,
        }))
    }

    async fn read(&self, after: Position, limit: usize) -> Result<Slice, ReadError> {
        let read = async { read_slice(&mut *self.0.pool.acquire().await?, self.0.name, after, limit).await };
        self.reading(read).await
    }

    async fn read_streams(
        &self,
        streams: &[(StreamName, Version)],
        up_to: Position,
        limit: usize,
    ) -> Result<StreamEvents, ReadError> {
        let names: Vec<&str> = streams.iter().map(|(stream, _)| stream.as_str()).collect();
        let versions: Vec<i64> = streams.iter().map(|(_, version)| rows::number(version.get())).collect();
        let read = async {
            let mut anchor = None;
            let rows = sqlx::query(include_str!("../../queries/read_streams.sql"))
                .bind(self.0.name)
                .bind(names)
                .bind(versions)
                .bind(rows::number(up_to.get()))
                .bind(rows::number(limit as u64))
                .fetch(&self.0.pool);
            let mut events = rows.try_filter(|row| {
                anchor = row.get(10);
                std::future::ready(row.get::<Option<i64>, _>(0).is_some())
            });
            let held = hold(&mut events, limit, rows::recorded_with_previous).await;
            drop(events);
            held.map(|held| StreamEvents { anchor, ..held })
        };
        self.reading(read).await
    }
}

impl LogStore for PgLog {
    type Locked = PgLocked;

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
}
