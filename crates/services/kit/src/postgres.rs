//! What every process on Postgres does: wait for it, migrate it, keep it tidy.

use std::sync::Arc;
use std::time::Duration;

use callboard::projection::reach_head;
use callboard::subscription::Backoff;
use callboard::{Context, EventHandler, Log, Position, ProcessManager, Projection, Subscribers, error_chain};
use callboard_http::FeedWaker;
use callboard_postgres::{
    Database, DatabaseConfig, Inspection, PgLog, PgRebuild, PostgresError, SERVICE_ROLE, SchemaStatus, Trouble,
    Wakeups, delete_expired_keys, inspect, migrate,
};

use crate::assembly::Waits;
use crate::config::Config;
use crate::contexts::LOGS;
use crate::lifecycle::Service;
use crate::probe::Probe;
use crate::settings::{SettingsError, mask};

/// How often expired idempotency keys are deleted, and how many at once.
const TIDY_EVERY: Duration = Duration::from_secs(60);
const TIDY_KEYS: u32 = 1_000;

/// A database with its schema, waited for as long as it takes.
///
/// # Errors
/// When the URL can't be read: waiting doesn't help.
pub(crate) async fn open(
    service: &Service,
    config: &Config,
    application: &str,
    probe: &Probe,
) -> anyhow::Result<Database> {
    let settings = DatabaseConfig {
        application_name: application.into(),
        ..DatabaseConfig::new(&*config.database_url).with_connections(config.database_connections)
    };
    let database = Database::new(settings).map_err(|error| SettingsError(explain(config, &error)))?;
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    while let Err(reason) = prepare(config).await {
        tracing::error!(reason, "waiting for Postgres");
        probe.set(Err(reason));
        tokio::time::sleep(backoff.next_delay()).await;
    }
    let (asked, settings) = (database.clone(), config.clone());
    probe.set(Ok(()));
    probe.keep_asking(service, "database", move || {
        let (database, config) = (asked.clone(), settings.clone());
        async move { database.ping().await.map_err(|error| explain(&config, &error)) }
    });
    Ok(database)
}

/// Migrates, or (told not to) looks whether somebody did. A schema that is current is left alone:
/// then the services' login needs no right to change it.
async fn prepare(config: &Config) -> Result<(), String> {
    let explain = |error: PostgresError| explain(config, &error);
    let mut found = inspect(&config.database_url).await.map_err(explain)?;
    if let SchemaStatus::Behind { missing } = found.schema {
        if config.no_migrate {
            return Err(format!(
                "DATABASE_URL: {}: the schema lacks {missing} migrations: run `callboard migrate`, or start without \
                 --no-migrate",
                mask(&config.database_url)
            ));
        }
        migrate(&config.database_url).await.map_err(explain)?;
        found = inspect(&config.database_url).await.map_err(explain)?;
    }
    check_role(config, &found)
}

/// Whether the login may take on the services' role.
pub(crate) fn check_role(config: &Config, found: &Inspection) -> Result<(), String> {
    if found.is_service {
        return Ok(());
    }
    Err(format!(
        "DATABASE_URL: {}: the user {user} can't act as {SERVICE_ROLE}; as an administrator run \
         `grant {SERVICE_ROLE} to {user}`",
        mask(&config.database_url),
        user = found.user,
    ))
}

/// What went wrong with the database, with the variable's name and the next thing to do.
pub(crate) fn explain(config: &Config, error: &PostgresError) -> String {
    let url = &config.database_url;
    let next = match error.trouble() {
        Trouble::NoServer => {
            "start Postgres there (for development, `cargo xtask up` does it), or set DATABASE_URL".into()
        }
        Trouble::NoDatabase => format!(
            "create it (`createdb {}` on that server; for development, `cargo xtask up` does it), or set DATABASE_URL",
            database_name(url)
        ),
        Trouble::Login => "check the user and the password in DATABASE_URL".into(),
        Trouble::Rights => {
            "let whoever owns the schema run `callboard migrate`, and start services with --no-migrate".into()
        }
        _ => "check DATABASE_URL".to_owned(),
    };
    format!("DATABASE_URL: {}: {}; {next}", mask(url), error_chain(error))
}

fn database_name(url: &str) -> &str {
    let path = url.rsplit_once('/').map_or("", |(_, path)| path);
    path.split_once('?').map_or(path, |(name, _)| name)
}

/// Deletes expired idempotency keys, in small batches.
pub(crate) fn tidy(service: &Service, database: &Database, keep: Duration) {
    let (database, stopping) = (database.clone(), service.stopping.clone());
    service.spawn("idempotency keys", async move {
        while stopping
            .run_until_cancelled(tokio::time::sleep(TIDY_EVERY))
            .await
            .is_some()
        {
            loop {
                match delete_expired_keys(&database, keep, TIDY_KEYS).await {
                    Ok(deleted) if deleted == u64::from(TIDY_KEYS) => continue,
                    Ok(_) => break,
                    Err(error) => {
                        tracing::warn!(
                            error = error_chain(&error),
                            "expired idempotency keys stay a while longer"
                        );
                        break;
                    }
                }
            }
        }
    });
}

/// Rebuilds a context's projections whenever their code or an operator wants it; each waits first for
/// those that it names.
pub(crate) fn rebuilds<C: Context>(service: &Service, database: &Database, wakeups: &Wakeups, waits: &Waits) {
    C::subscribers(&mut Rebuilds {
        service,
        database,
        wakeups,
        waits,
    });
}

struct Rebuilds<'a> {
    service: &'a Service,
    database: &'a Database,
    wakeups: &'a Wakeups,
    waits: &'a Waits,
}

impl<L: Log> Subscribers<L> for Rebuilds<'_> {
    fn projection<P: Projection<Log = L>>(&mut self) {
        let rebuild = PgRebuild::<P>::new(self.database).woken_by(self.wakeups.rebuilds());
        let (awaited, log) = (self.waits.of(P::NAME), PgLog::new::<L>(self.database));
        let stopping = self.service.stopping.clone();
        self.service.spawn(format!("rebuild {}", P::NAME), async move {
            if awaited.is_empty() || reach_head(&log, awaited, &stopping).await {
                rebuild.run(stopping).await;
            }
        });
    }

    fn process_manager<M: ProcessManager<Log = L>>(&mut self) {}

    fn event_handler<H: EventHandler<Log = L>>(&mut self) {}
}

/// Hears of every log that grows in another process: one connection for all of them.
pub(crate) fn wakeups(database: &Database) -> Arc<Wakeups> {
    Arc::new(Wakeups::spawn(database, LOGS))
}

/// Calls `wake` whenever a log may have grown in another process.
pub(crate) fn on_growth<L: Log>(service: &Service, wakeups: &Arc<Wakeups>, wake: impl Fn(Position) + Send + 'static) {
    let (wakeups, stopping) = (wakeups.clone(), service.stopping.clone());
    service.spawn(format!("wake-ups {}", L::NAME), async move {
        let mut grown = wakeups.of::<L>().expect("every log is listened for");
        // The listener lives as long as this task holds it.
        while let Some(Ok(())) = stopping.run_until_cancelled(grown.changed()).await {
            let head = *grown.borrow_and_update();
            wake(head);
        }
    });
}

/// A waker for live event feeds.
pub(crate) fn feed_waker<L: Log>(service: &Service, wakeups: &Arc<Wakeups>) -> FeedWaker {
    let waker = FeedWaker::default();
    let woken = waker.clone();
    on_growth::<L>(service, wakeups, move |_| woken.wake());
    waker
}
