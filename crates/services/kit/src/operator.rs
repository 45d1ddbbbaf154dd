//! What the operator's command line shares with the services: the database, the broker, and who
//! lives there.

use anyhow::Context as _;
use callboard::{Log, ProcessManager, Projection, Subscribers, error_chain};
use callboard_http::HttpContext;
use callboard_postgres::{Database, DatabaseConfig, PgLog, SchemaStatus, inspect};
use callboard_rabbitmq::{Broker, BrokerError, Topology};

use crate::config::Config;
use crate::contexts::{Mount, mount_all};
use crate::postgres::{check_role, explain};
use crate::settings::mask;

const APPLICATION: &str = "callboard";

/// The database, looked at first: it answers, its schema is current, and we may act as a service.
///
/// # Errors
/// Names the variable, the address and the next thing to do.
pub async fn open_database(config: &Config) -> anyhow::Result<Database> {
    let url = mask(&config.database_url);
    let found = inspect(&config.database_url)
        .await
        .map_err(|error| anyhow::anyhow!(explain(config, &error)))?;
    if let SchemaStatus::Behind { missing } = found.schema {
        anyhow::bail!("DATABASE_URL: {url}: the schema lacks {missing} migrations: run `callboard migrate`");
    }
    check_role(config, &found).map_err(anyhow::Error::msg)?;
    let settings = DatabaseConfig {
        application_name: APPLICATION.into(),
        ..DatabaseConfig::new(&*config.database_url)
    };
    Database::new(settings).with_context(|| format!("DATABASE_URL: {url}"))
}

/// What went wrong with the database, with the variable's name and the next thing to do.
pub fn explain_database(config: &Config, error: &callboard_postgres::PostgresError) -> String {
    explain(config, error)
}

/// The broker of `AMQP_URL`, not connected to yet.
///
/// # Errors
/// Names the variable.
pub fn broker(config: &Config) -> anyhow::Result<Broker> {
    open_broker(config, APPLICATION)
}

pub(crate) fn open_broker(config: &Config, application: &str) -> anyhow::Result<Broker> {
    Broker::new(&config.amqp_url, application)
        .with_context(|| format!("AMQP_URL: {} can't be read", mask(&config.amqp_url)))
}

/// What went wrong with the broker, with the variable's name and the next thing to do.
pub fn explain_broker(config: &Config, error: &BrokerError) -> String {
    let next = match error {
        BrokerError::Connect { .. } | BrokerError::Deadline { .. } => {
            "start RabbitMQ there (for development, `cargo xtask up` does it), or set AMQP_URL; commands and views go \
             on by the log meanwhile"
        }
        _ => "see its log",
    };
    format!("AMQP_URL: {}: {}; {next}", mask(&config.amqp_url), error_chain(error))
}

/// The names of exchanges and queues under `MESSAGING_QUEUE_PREFIX`.
///
/// # Errors
/// Names the variable.
pub fn topology(config: &Config) -> anyhow::Result<Topology> {
    Topology::new(&config.queue_prefix)
        .with_context(|| format!("MESSAGING_QUEUE_PREFIX: {:?} can't be a prefix", config.queue_prefix))
}

/// A subscriber of this code: its log and its name.
pub type SubscriberName = (&'static str, &'static str);

/// Every subscriber of every context, in order; each has a queue.
///
/// # Errors
/// None: listing them starts nothing.
pub async fn subscribers() -> anyhow::Result<Vec<SubscriberName>> {
    let mut names = Names::default();
    mount_all(&mut names).await?;
    Ok(names.0)
}

#[derive(Default)]
struct Names(Vec<SubscriberName>);

impl Mount for Names {
    async fn mount<C: HttpContext>(&mut self) -> anyhow::Result<()> {
        C::subscribers(self);
        Ok(())
    }
}

impl<L: Log> Subscribers<L> for Names {
    fn projection<P: Projection<Log = L>>(&mut self) {
        self.0.push((L::NAME, P::NAME));
    }

    fn process_manager<M: ProcessManager<Log = L>>(&mut self) {
        self.0.push((L::NAME, M::NAME));
    }
}

/// The log with this name, for reading; `None` when no context has it.
///
/// # Errors
/// None: nothing is read yet.
pub async fn log(database: &Database, name: &str) -> anyhow::Result<Option<PgLog>> {
    let mut logs = Logs {
        database,
        found: Vec::new(),
    };
    mount_all(&mut logs).await?;
    Ok(logs.found.into_iter().find(|log| log.name() == name))
}

struct Logs<'a> {
    database: &'a Database,
    found: Vec<PgLog>,
}

impl Mount for Logs<'_> {
    async fn mount<C: HttpContext>(&mut self) -> anyhow::Result<()> {
        self.found.push(PgLog::for_queries::<C::Log>(self.database));
        Ok(())
    }
}
