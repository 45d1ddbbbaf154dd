//! What the operator's command line shares with the services: the database, the broker, and who
//! lives there.

use std::sync::Arc;

use anyhow::Context as _;
use callboard::event_handler::HandlerParking;
use callboard::parking::{OnFailure, Parking};
use callboard::process_manager::ManagerParking;
use callboard::{EventHandler, ListedCommand, Log, ProcessManager, Projection, Subscribers, error_chain};
use callboard_http::HttpContext;
use callboard_postgres::{
    Database, DatabaseConfig, PgEventHandlerStore, PgLog, PgParking, PgProcessManagerStore, PostgresError, Rebuildable,
    SchemaStatus, inspect,
};
use callboard_rabbitmq::{Broker, BrokerError, Topology};

use crate::config::Config;
use crate::contexts::{Mount, mount_all};
use crate::handlers::HandlerSettings;
use crate::postgres::{check_role, explain};
use crate::settings::{SettingsError, mask};

const APPLICATION: &str = "callboard";

/// The database, looked at first: it answers, its schema is current, and we may act as a service.
///
/// # Errors
/// Names the variable, the address and the next thing to do.
pub async fn open_database(config: &Config) -> anyhow::Result<Database> {
    let url = mask(&config.database_url);
    let found = inspect(&config.database_url)
        .await
        .map_err(|error| explained(config, &error))?;
    if let SchemaStatus::Behind { missing } = found.schema {
        anyhow::bail!("DATABASE_URL: {url}: the schema lacks {missing} migrations: run `callboard migrate`");
    }
    check_role(config, &found).map_err(anyhow::Error::msg)?;
    let settings = DatabaseConfig {
        application_name: APPLICATION.into(),
        ..DatabaseConfig::new(&*config.database_url).with_connections(config.database_connections)
    };
    Database::new(settings).map_err(|error| explained(config, &error))
}

/// What went wrong with the database, with the variable's name and the next thing to do.
pub fn explain_database(config: &Config, error: &PostgresError) -> String {
    explain(config, error)
}

fn explained(config: &Config, error: &PostgresError) -> anyhow::Error {
    let text = explain(config, error);
    match error {
        PostgresError::Url(_) => SettingsError(text).into(),
        _ => anyhow::Error::msg(text),
    }
}

/// The broker of `AMQP_URL`, not connected to yet.
///
/// # Errors
/// Names the variable.
pub fn broker(config: &Config) -> anyhow::Result<Broker> {
    open_broker(config, APPLICATION)
}

pub(crate) fn open_broker(config: &Config, application: &str) -> anyhow::Result<Broker> {
    Ok(Broker::new(&config.amqp_url, application)
        .map_err(|error| SettingsError(format!("AMQP_URL: {}: {}", mask(&config.amqp_url), error_chain(&error))))?)
}

/// What went wrong with the broker, with the variable's name and the next thing to do.
pub fn explain_broker(config: &Config, error: &BrokerError) -> String {
    let chain = error_chain(error);
    let refused = |word: &str| matches!(error, BrokerError::Connect { .. }) && chain.contains(word);
    // The words are AMQP's own, for its reply codes 403 and 530.
    let next = if refused("ACCESS_REFUSED") {
        "check the user and the password in AMQP_URL"
    } else if refused("NOT_ALLOWED") {
        "check the virtual host at the end of AMQP_URL, and whether the user may use it"
    } else if matches!(error, BrokerError::Connect { .. } | BrokerError::Deadline { .. }) {
        "start RabbitMQ there (for development, `cargo xtask up` does it), or set AMQP_URL"
    } else {
        "see its log"
    };
    format!("AMQP_URL: {}: {chain}; {next}", mask(&config.amqp_url))
}

/// The names of exchanges and queues under `MESSAGING_QUEUE_PREFIX`.
///
/// # Errors
/// Names the variable.
pub fn topology(config: &Config) -> anyhow::Result<Topology> {
    Topology::new(&config.queue_prefix)
        .with_context(|| format!("MESSAGING_QUEUE_PREFIX: {:?} can't be a prefix", config.queue_prefix))
}

/// Every command of every context, by log and name, as their routers have them.
///
/// # Errors
/// None: listing them starts nothing.
pub async fn routes() -> anyhow::Result<Vec<ListedCommand>> {
    let mut routes = Routes::default();
    mount_all(&mut routes).await?;
    Ok(routes.0)
}

#[derive(Default)]
struct Routes(Vec<ListedCommand>);

impl Mount for Routes {
    async fn mount<C: HttpContext>(&mut self) -> anyhow::Result<()> {
        self.0.extend(C::router().list());
        Ok(())
    }
}

/// A subscriber of this code: its log and its name.
pub type SubscriberName = (&'static str, &'static str);

/// Every subscriber of every context that these settings let run, in order; each has a queue.
///
/// # Errors
/// Names the variable that no event handler can be made from.
pub async fn subscribers(handlers: &HandlerSettings) -> anyhow::Result<Vec<SubscriberName>> {
    handlers.check().await?;
    let mut names = Names(Vec::new(), handlers);
    mount_all(&mut names).await?;
    Ok(names.0)
}

struct Names<'a>(Vec<SubscriberName>, &'a HandlerSettings);

impl Mount for Names<'_> {
    async fn mount<C: HttpContext>(&mut self) -> anyhow::Result<()> {
        C::subscribers(self);
        Ok(())
    }
}

impl<L: Log> Subscribers<L> for Names<'_> {
    fn projection<P: Projection<Log = L>>(&mut self) {
        self.0.push((L::NAME, P::NAME));
    }

    fn process_manager<M: ProcessManager<Log = L>>(&mut self) {
        self.0.push((L::NAME, M::NAME));
    }

    fn event_handler<H: EventHandler<Log = L>>(&mut self) {
        if self.1.handler::<H>().is_some() {
            self.0.push((L::NAME, H::NAME));
        }
    }
}

/// Every event handler of every context, in order, also those that are switched off.
///
/// # Errors
/// None: listing them starts nothing.
pub async fn event_handlers() -> anyhow::Result<Vec<SubscriberName>> {
    let mut handlers = AllHandlers::default();
    mount_all(&mut handlers).await?;
    Ok(handlers.0)
}

#[derive(Default)]
struct AllHandlers(Vec<SubscriberName>);

impl Mount for AllHandlers {
    async fn mount<C: HttpContext>(&mut self) -> anyhow::Result<()> {
        C::subscribers(self);
        Ok(())
    }
}

impl<L: Log> Subscribers<L> for AllHandlers {
    fn projection<P: Projection<Log = L>>(&mut self) {}

    fn process_manager<M: ProcessManager<Log = L>>(&mut self) {}

    fn event_handler<H: EventHandler<Log = L>>(&mut self) {
        self.0.push((L::NAME, H::NAME));
    }
}

/// Every projection of every context, in order, as rebuilding needs to know it.
///
/// # Errors
/// None: listing them starts nothing.
pub async fn projections() -> anyhow::Result<Vec<Rebuildable>> {
    let mut projections = Projections::default();
    mount_all(&mut projections).await?;
    Ok(projections.0)
}

#[derive(Default)]
struct Projections(Vec<Rebuildable>);

impl Mount for Projections {
    async fn mount<C: HttpContext>(&mut self) -> anyhow::Result<()> {
        C::subscribers(self);
        Ok(())
    }
}

impl<L: Log> Subscribers<L> for Projections {
    fn projection<P: Projection<Log = L>>(&mut self) {
        self.0.push(Rebuildable::of::<P>());
    }

    fn process_manager<M: ProcessManager<Log = L>>(&mut self) {}

    fn event_handler<H: EventHandler<Log = L>>(&mut self) {}
}

/// The parked events of every subscriber of every context that parks, in order. Of a handler that is
/// switched off, parked events can be listed and discarded, not retried.
///
/// # Errors
/// Names the variable that no event handler can be made from.
pub async fn parkings(database: &Database, handlers: &HandlerSettings) -> anyhow::Result<Vec<Arc<dyn Parking>>> {
    handlers.check().await?;
    let mut parkings = Parkings {
        database,
        handlers,
        found: Vec::new(),
    };
    mount_all(&mut parkings).await?;
    Ok(parkings.found)
}

struct Parkings<'a> {
    database: &'a Database,
    handlers: &'a HandlerSettings,
    found: Vec<Arc<dyn Parking>>,
}

impl Mount for Parkings<'_> {
    async fn mount<C: HttpContext>(&mut self) -> anyhow::Result<()> {
        C::subscribers(self);
        Ok(())
    }
}

impl<L: Log> Subscribers<L> for Parkings<'_> {
    fn projection<P: Projection<Log = L>>(&mut self) {
        self.found.push(Arc::new(PgParking::<P>::new(self.database)));
    }

    fn process_manager<M: ProcessManager<Log = L>>(&mut self) {
        if M::ON_FAILURE == OnFailure::Park {
            let (store, log) = (
                PgProcessManagerStore::new::<M>(self.database),
                PgLog::new::<L>(self.database),
            );
            self.found.push(Arc::new(ManagerParking::<M, _, _>::new(store, log)));
        }
    }

    fn event_handler<H: EventHandler<Log = L>>(&mut self) {
        let (store, log) = (
            PgEventHandlerStore::new::<H>(self.database),
            PgLog::new::<L>(self.database),
        );
        let handler = self.handlers.handler::<H>().map(Arc::new);
        self.found.push(Arc::new(HandlerParking::new(handler, store, log)));
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
