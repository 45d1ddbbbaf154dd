//! The pair with two replicas of each, on a database and a broker prefix of its own.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use callboard_postgres::testing::TestDatabase;
use callboard_postgres::{Database, PgLog};
use callboard_rabbitmq::testing::{Meddler, Proxy, Sandbox, amqp_url};
use conformance::Api;
use conformance::random::Dice;
use conformance::system::{HANDLERS, SUBSCRIBERS};
use reqwest::Url;
use tickets::ticket_webhook::receiver::Receiver;
use tokio::sync::Mutex;
use warehouse::Warehouse;

use crate::fault::Fault;
use crate::ledger::Ledger;
use crate::servers::Servers;
use crate::service::{Process, Service};
use crate::tally::{self, Keeper};

/// The log that most of the load is on.
pub const LOG: &str = <Warehouse as callboard::Log>::NAME;

/// Everyone who has a queue and a checkpoint: the services' subscribers, and our own.
pub fn subscribers() -> Vec<(&'static str, &'static str)> {
    [SUBSCRIBERS, HANDLERS, &[(LOG, "tally")]].concat()
}

/// What posts carry, and no log may show.
const WEBHOOK_SECRET: &str = "a-webhook-secret-that-nobody-logs";

/// How many replicas each service has.
const REPLICAS: usize = 2;

/// Everything of a run. Dropped, its processes, its database and what it has on the broker are gone.
pub struct World {
    /// The command services, then the projectors.
    pub services: Vec<Service>,
    /// The replicas of our own subscriber.
    pub keepers: Vec<Keeper>,
    /// What was sent, and what was noticed.
    pub ledger: Ledger,
    /// Where the services post tickets to that were assigned or closed.
    pub receiver: Receiver,
    /// The warehouse's log, read without the services.
    pub log: PgLog,
    /// Connections of our own.
    pub connections: Database,
    /// The database, as its administrator.
    pub database: TestDatabase,
    /// Damages what is on the broker.
    pub meddler: Meddler,
    /// The names on the broker.
    pub sandbox: Sandbox,
    /// The servers.
    pub servers: Servers,
    /// Where the services log to.
    pub logs: PathBuf,
}

impl World {
    /// Starts all services.
    ///
    /// # Errors
    /// When a binary is missing, or something can't be started.
    pub async fn start(own_servers: bool) -> Result<Self> {
        let logs = std::env::temp_dir().join(format!("callboard-chaos-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&logs).with_context(|| format!("can't make {}", logs.display()))?;
        let database = TestDatabase::create().await;
        database.execute(tally::TABLE).await;
        let sandbox = Sandbox::new(&subscribers());
        let receiver = Receiver::start().await;
        let binaries = binaries()?;
        let mut services = Vec::new();
        for (name, kind) in [("callboard-command", "COMMAND"), ("callboard-projector", "QUERY")] {
            for number in 1..=REPLICAS {
                let place = Place {
                    binary: binaries.join(name),
                    kind,
                    name: format!("{name}-{number}"),
                    // So that silence of the broker is noticed by some, and sat out by others.
                    beats: number == REPLICAS,
                    webhook: receiver.url(),
                };
                services.push(service(place, &database, &sandbox, &logs).await?);
            }
        }
        let mut keepers = Vec::new();
        for _ in 0..REPLICAS {
            keepers.push(Keeper::start(&database, &sandbox).await?);
        }
        let connections = database.connect_as("callboard chaos");
        Ok(Self {
            services,
            keepers,
            ledger: Ledger::default(),
            receiver,
            log: PgLog::new::<Warehouse>(&connections),
            connections,
            meddler: Meddler::new(sandbox.broker()),
            database,
            sandbox,
            servers: Servers::new(own_servers),
            logs,
        })
    }

    /// The command services.
    pub fn commands(&self) -> &[Service] {
        &self.services[..REPLICAS]
    }

    /// The projectors.
    pub fn projectors(&self) -> &[Service] {
        &self.services[REPLICAS..]
    }

    /// One of the services that a fault is about.
    pub fn service(&self, fault: Fault, dice: &mut Dice) -> &Service {
        let services = match fault {
            Fault::KillCommand | Fault::RestartCommand | Fault::PauseCommand => self.commands(),
            _ => self.projectors(),
        };
        &services[usize::try_from(dice.below(REPLICAS as u64)).unwrap_or(0)]
    }

    /// One of the replicas of our own subscriber.
    pub fn keeper(&self, dice: &mut Dice) -> &Keeper {
        &self.keepers[usize::try_from(dice.below(REPLICAS as u64)).unwrap_or(0)]
    }

    /// Everybody's networks: to the database, and to the broker.
    pub fn networks(&self) -> Vec<(&Proxy, &Proxy)> {
        let services = self.services.iter().map(|service| (&service.database, &service.broker));
        let keepers = self.keepers.iter().map(|keeper| (&keeper.database, &keeper.broker));
        services.chain(keepers).collect()
    }

    /// Clients, each of one command service and one projector.
    pub fn apis(&self) -> Vec<Api> {
        let pairs = self.commands().iter().zip(self.projectors());
        pairs
            .map(|(command, projector)| Api::new(command.http, projector.http))
            .collect()
    }

    /// Starts again what has ended without being told to, and notes it.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn revive(&self) -> Result<()> {
        for service in &self.services {
            // Whoever holds it is about to end or start it.
            let Ok(mut process) = service.process.try_lock() else {
                continue;
            };
            if let Some(status) = process.ended() {
                self.ledger
                    .wrong(format!("{} has ended by itself: {status}", service.name));
                *process = service.start()?;
            }
        }
        Ok(())
    }
}

struct Place {
    binary: PathBuf,
    /// What its variables begin with.
    kind: &'static str,
    name: String,
    /// Whether heartbeats are every second.
    beats: bool,
    /// Where tickets are posted to.
    webhook: String,
}

async fn service(place: Place, database: &TestDatabase, sandbox: &Sandbox, logs: &Path) -> Result<Service> {
    let Place {
        binary,
        kind,
        name,
        beats,
        webhook,
    } = place;
    let (database, database_url) = database_proxy(database.url()).await?;
    let broker = Proxy::start(&amqp_url()).await;
    let amqp_url = if beats {
        broker.url_with_heartbeats()
    } else {
        broker.url().to_owned()
    };
    let [http, ops] = free_addresses()?;
    let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let environment = vec![
        set("DATABASE_URL", &database_url),
        set("AMQP_URL", &amqp_url),
        // Four services, and the keepers, share a server that takes 100.
        set("DATABASE_CONNECTIONS", "9"),
        set("MESSAGING_QUEUE_PREFIX", &sandbox.prefix),
        set(&format!("{kind}_HTTP_ADDR"), &http.to_string()),
        set(&format!("{kind}_OPS_ADDR"), &ops.to_string()),
        set("TICKET_WEBHOOK_URL", &webhook),
        set("TICKET_WEBHOOK_SECRET", WEBHOOK_SECRET),
        set("LOG_FORMAT", "json"),
        set("RUST_LOG", "info"),
    ];
    let log = logs.join(format!("{name}.log"));
    let process = Mutex::new(Process::start(&binary, &environment, &log)?);
    Ok(Service {
        name,
        binary,
        environment,
        log,
        http,
        ops,
        database,
        broker,
        process,
    })
}

/// A network in front of a database, and the database's URL through it.
pub(crate) async fn database_proxy(url: &str) -> Result<(Proxy, String)> {
    let mut url: Url = url.parse().context("the database's URL")?;
    let host = url.host_str().context("a database has a host")?.to_owned();
    let proxy = Proxy::in_front_of(&host, url.port().unwrap_or(5432)).await;
    url.set_host(Some("127.0.0.1")).context("a URL takes a host")?;
    ensure!(url.set_port(Some(proxy.port())).is_ok(), "a URL takes a port");
    if url.password().is_none() {
        // A server that asks for none doesn't mind one, and then there is one that may not be logged.
        let set = url.set_password(Some("a-password-that-nobody-logs"));
        ensure!(set.is_ok(), "a URL takes a password");
    }
    Ok((proxy, url.into()))
}

/// Two addresses that nobody listens on.
///
/// # Errors
/// When there are none.
pub fn free_addresses() -> Result<[SocketAddr; 2]> {
    // Both are held until both are known, or the same could come twice.
    let held = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    Ok([held[0].local_addr()?, held[1].local_addr()?])
}

/// The folder that cargo has built the services into: our own, or the one above that of tests.
///
/// # Errors
/// When they are not built.
pub fn binaries() -> Result<PathBuf> {
    let own = std::env::current_exe().context("a program knows where it lies")?;
    let folders = own.ancestors().skip(1).take(2);
    let found = folders.map(|folder| folder.join("callboard-command"));
    let binary = found.into_iter().find(|binary| binary.is_file());
    let binary = binary.context("the services are not built: cargo build --workspace")?;
    Ok(binary.parent().context("a binary lies in a folder")?.to_owned())
}
