//! Connections: for reading logs, for queries and for background work, and options for connections of one's own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{Connection, PgConnection, PgPool};
use tokio::{sync::watch, time::Instant};

use crate::error::PostgresError;
use crate::links::Links;
use crate::watcher::Watcher;

/// The role that migrations make for services: it can't change what is recorded.
pub const SERVICE_ROLE: &str = "callboard_service";

/// How long a connection may take to become clean before it is closed instead.
const RELEASE_WITHIN: Duration = Duration::from_secs(5);

/// How to reach Postgres. Never shown with its password.
#[derive(Clone)]
pub struct DatabaseConfig {
    /// `postgres://user:password@host:port/database`.
    pub url: String,
    /// What the server's activity view shows, followed by what the connection is for.
    pub application_name: String,
    /// The role that each connection takes on; the URL's user must be a member of it. `None` stays
    /// with the URL's user.
    pub role: Option<String>,
    /// The most connections for reading logs: writers and whoever follows a log.
    pub log_connections: u32,
    /// The most connections for event feeds.
    pub feed_connections: u32,
    /// The most connections for queries.
    pub query_connections: u32,
    /// The most connections for background work: subscribers, relays, housekeeping. Half of them, at least one, are
    /// for what is done with every batch of events.
    pub background_connections: u32,
    /// How long to wait for a connection.
    pub acquire_timeout: Duration,
    /// How long an append waits for the log's lock, and any statement for a lock.
    pub lock_timeout: Duration,
    /// How long a query may run.
    pub query_timeout: Duration,
    /// How long a statement of background work may run.
    pub background_timeout: Duration,
}

impl DatabaseConfig {
    /// The defaults for this URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            application_name: "callboard".into(),
            role: Some(SERVICE_ROLE.into()),
            log_connections: 4,
            feed_connections: 2,
            query_connections: 6,
            background_connections: 6,
            acquire_timeout: Duration::from_secs(2),
            lock_timeout: Duration::from_secs(2),
            query_timeout: Duration::from_secs(10),
            background_timeout: Duration::from_secs(30),
        }
    }

    /// With so many pooled connections in all, shared out as the defaults are; at least one of each kind.
    /// Appends, notifications and wake-ups have a few more of their own.
    #[must_use]
    pub fn with_connections(mut self, most: u32) -> Self {
        self.log_connections = (most * 2 / 9).max(1);
        self.feed_connections = (most / 9).max(1);
        self.background_connections = (most / 3).max(1);
        let others = self.log_connections + self.feed_connections + self.background_connections;
        self.query_connections = most.saturating_sub(others).max(1);
        self
    }
}

impl fmt::Debug for DatabaseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseConfig")
            .field("application_name", &self.application_name)
            .finish_non_exhaustive()
    }
}

/// The connections of one process to one database. Cheap to clone.
///
/// Several kinds, so that none starves another: each log's appends have connections of their own;
/// reads of logs share some, and so do event feeds, queries, and background work, of which what runs
/// for every batch of events has its own.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    config: DatabaseConfig,
    base: PgConnectOptions,
    logs: Links,
    feeds: Links,
    batches: Links,
    queries: PgPool,
    background: PgPool,
    watcher: Arc<Watcher>,
    views_read: watch::Sender<Option<Instant>>,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Database")
    }
}

impl Database {
    /// Prepares the pools; connects only when a connection is needed, so it starts without a server.
    ///
    /// # Errors
    /// [`PostgresError::Url`] when the URL can't be read.
    pub fn new(config: DatabaseConfig) -> Result<Self, PostgresError> {
        let base = options(&config.url)?;
        let links = |options, most| Links::new(options, most, config.acquire_timeout);
        let logs = links(
            log_options(&config, &base, config.background_timeout),
            config.log_connections,
        );
        let feeds = links(
            log_options(&config, &base, config.query_timeout),
            config.feed_connections,
        );
        let queries = pool(&config, config.query_connections, query_options(&config, &base));
        let batches = (config.background_connections / 2).max(1);
        let background = config.background_connections.saturating_sub(batches).max(1);
        let batches = links(settled(background_options(&config, &base)), batches);
        let background = pool(&config, background, background_options(&config, &base));
        let watcher = Arc::new(Watcher::new(queries.clone()));
        Ok(Self(Arc::new(Inner {
            config,
            base,
            logs,
            feeds,
            batches,
            queries,
            background,
            watcher,
            views_read: watch::Sender::new(None),
        })))
    }

    /// Whether the database answers, within the acquire timeout.
    ///
    /// # Errors
    /// [`PostgresError::Unreachable`] with the cause.
    pub async fn ping(&self) -> Result<(), PostgresError> {
        let answer = async { sqlx::query("select 1").execute(&self.0.queries).await };
        let answer = within(self.0.config.acquire_timeout, answer).await;
        answer.map(drop).map_err(PostgresError::Unreachable)
    }

    /// Closes all of them, waiting for what the pools have in flight.
    pub async fn close(&self) {
        futures::future::join3(self.0.logs.close(), self.0.feeds.close(), self.0.batches.close()).await;
        futures::future::join(self.0.queries.close(), self.0.background.close()).await;
    }

    /// For reading logs: read-only.
    pub(crate) fn logs(&self) -> &Links {
        &self.0.logs
    }

    /// For event feeds: as [`Database::logs`], with the queries' timeout.
    pub(crate) fn feeds(&self) -> &Links {
        &self.0.feeds
    }

    /// For what is done with every batch of events. All of it finds its rows by an index.
    pub(crate) fn batches(&self) -> &Links {
        &self.0.batches
    }

    /// The pool for queries: read-only transactions.
    pub fn queries(&self) -> &PgPool {
        &self.0.queries
    }

    /// [`Database::queries`] for reading a view's rows: what can wait leaves processors to whoever does.
    pub(crate) fn for_view(&self) -> &PgPool {
        self.0.views_read.send_replace(Some(Instant::now()));
        self.queries()
    }

    pub(crate) fn were_views_read_within(&self, time: Duration) -> bool {
        self.0.views_read.borrow().is_some_and(|read| read.elapsed() < time)
    }

    /// The pool for background work.
    pub fn background(&self) -> &PgPool {
        &self.0.background
    }

    /// How long a query may take, as seen from here: the server's own timeout ends it earlier, unless
    /// the connection is dead.
    pub(crate) fn query_deadline(&self) -> Duration {
        self.0.config.acquire_timeout + self.0.config.query_timeout
    }

    /// As [`Database::query_deadline`], for a statement of background work.
    pub(crate) fn background_deadline(&self) -> Duration {
        self.0.config.acquire_timeout + self.0.config.background_timeout
    }

    /// Background work within [`Database::background_deadline`].
    pub(crate) async fn in_background<T, E: From<sqlx::Error>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        within(self.background_deadline(), work).await
    }

    pub(crate) fn config(&self) -> &DatabaseConfig {
        &self.0.config
    }

    pub(crate) fn watcher(&self) -> &Arc<Watcher> {
        &self.0.watcher
    }

    /// For a log's appends. No statement timeout: one that strikes while a commit waits for its
    /// synchronous standby ends in a commit that is not replicated. The client has a deadline.
    pub(crate) fn append_options(&self) -> PgConnectOptions {
        let options = common(&self.0.config, &self.0.base, "append");
        settled(options).options([("idle_in_transaction_session_timeout", "10s")])
    }

    /// For NOTIFY and LISTEN.
    pub(crate) fn wakeup_options(&self) -> PgConnectOptions {
        common(&self.0.config, &self.0.base, "wakeups").options([("synchronous_commit", "off")])
    }
}

/// The options of a URL, without a role.
///
/// Within this machine nothing is encrypted unless the URL asks for more than `sslmode=prefer`: sqlx 0.9.0
/// leaves Nagle's algorithm on (sqlx#4335), so that whatever takes more than one TLS record waits 40 ms
/// for an acknowledgement.
pub(crate) fn options(url: &str) -> Result<PgConnectOptions, PostgresError> {
    let options = url.parse::<PgConnectOptions>().map_err(PostgresError::Url)?;
    let here = matches!(options.get_host(), "localhost" | "127.0.0.1" | "::1" | "[::1]");
    Ok(match options.get_ssl_mode() {
        PgSslMode::Allow | PgSslMode::Prefer if here => options.ssl_mode(PgSslMode::Disable),
        _ => options,
    })
}

/// The work's outcome, or [`sqlx::Error::PoolTimedOut`] once the deadline has passed.
pub(crate) async fn within<T, E: From<sqlx::Error>>(
    deadline: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    tokio::time::timeout(deadline, work)
        .await
        .unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut.into()))
}

/// A connection of one's own, within `timeout`.
pub(crate) async fn connect(options: &PgConnectOptions, timeout: Duration) -> Result<PgConnection, sqlx::Error> {
    within(timeout, PgConnection::connect_with(options)).await
}

fn common(config: &DatabaseConfig, base: &PgConnectOptions, purpose: &str) -> PgConnectOptions {
    let options = base
        .clone()
        .application_name(&format!("{} {purpose}", config.application_name))
        .options([
            ("lock_timeout", format!("{}ms", config.lock_timeout.as_millis())),
            // The append and the checkpoints rely on a fresh snapshot for each statement.
            ("default_transaction_isolation", "read committed".into()),
            // Tables grow from nothing: a plan that was kept from when one was small would scan it
            // whole until the next ANALYZE. Planning our statements takes a tenth of a millisecond.
            ("plan_cache_mode", "force_custom_plan".into()),
            // Compiling takes longer than any of our statements.
            ("jit", "off".into()),
        ]);
    match &config.role {
        Some(role) => options.options([("role", role)]),
        None => options,
    }
}

/// For statements that each find their rows by an index, however large the tables are: planned once, by no
/// more than that. Planning took most of their time (0.2 to 0.5 ms each).
fn settled(options: PgConnectOptions) -> PgConnectOptions {
    options.options([
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("enable_bitmapscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        ("max_parallel_workers_per_gather", "0"),
    ])
}

fn query_options(config: &DatabaseConfig, base: &PgConnectOptions) -> PgConnectOptions {
    common(config, base, "queries").options([
        ("statement_timeout", format!("{}ms", config.query_timeout.as_millis())),
        ("idle_in_transaction_session_timeout", "10s".into()),
        ("default_transaction_read_only", "on".into()),
    ])
}

fn log_options(config: &DatabaseConfig, base: &PgConnectOptions, timeout: Duration) -> PgConnectOptions {
    settled(common(config, base, "log")).options([
        ("statement_timeout", format!("{}ms", timeout.as_millis())),
        ("idle_in_transaction_session_timeout", "10s".into()),
        ("default_transaction_read_only", "on".into()),
    ])
}

fn background_options(config: &DatabaseConfig, base: &PgConnectOptions) -> PgConnectOptions {
    common(config, base, "background").options([
        (
            "statement_timeout",
            format!("{}ms", config.background_timeout.as_millis()),
        ),
        ("idle_in_transaction_session_timeout", "30s".into()),
        // Everything that is written here follows from the log, with its checkpoint in the same
        // transaction: what a crash takes back is simply applied again.
        ("synchronous_commit", "off".into()),
    ])
}

fn pool(config: &DatabaseConfig, connections: u32, options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(config.acquire_timeout)
        // What a burst opened is given back soon: connections are the server's scarcest good.
        .idle_timeout(Duration::from_secs(60))
        .test_before_acquire(false)
        // A ping for each statement would double the round trips; one after a pause finds out
        // about a server that was restarted meanwhile.
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for < Duration::from_secs(1) {
                    return Ok(true);
                }
                Ok(connection.ping().await.is_ok())
            })
        })
        // A begin() whose future was dropped leaves its transaction open on the pooled connection,
        // and later writes would vanish in it. `begin` does nothing there but a warning, and
        // `rollback` ends it; in an aborted transaction it fails and the connection is closed.
        .after_release(|connection, _| {
            Box::pin(async move {
                let rollback = async { sqlx::raw_sql("begin; rollback").execute(connection).await };
                within(RELEASE_WITHIN, rollback).await?;
                Ok(true)
            })
        })
        .connect_lazy_with(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn within_this_machine_nothing_is_encrypted_unless_the_url_asks_for_it() {
        let mode = |url: &str| options(url).expect("a URL").get_ssl_mode();
        for url in [
            "postgres://u@127.0.0.1:5432/d",
            "postgres://u@localhost/d",
            "postgres://u@127.0.0.1/d?sslmode=prefer",
        ] {
            assert!(matches!(mode(url), PgSslMode::Disable), "{url}");
        }
        assert!(matches!(mode("postgres://u@db.example/d"), PgSslMode::Prefer));
        assert!(matches!(
            mode("postgres://u@localhost/d?sslmode=require"),
            PgSslMode::Require
        ));
        assert!(matches!(
            mode("postgres://u@127.0.0.1/d?sslmode=verify-full"),
            PgSslMode::VerifyFull
        ));
    }

    #[test]
    fn connections_are_shared_out_and_each_use_has_one() {
        let shared = |most| {
            let config = DatabaseConfig::new("").with_connections(most);
            let (logs, feeds) = (config.log_connections, config.feed_connections);
            [logs, feeds, config.query_connections, config.background_connections]
        };
        assert_eq!(
            (shared(18), shared(9), shared(1)),
            ([4, 2, 6, 6], [2, 1, 3, 3], [1, 1, 1, 1])
        );
    }
}
