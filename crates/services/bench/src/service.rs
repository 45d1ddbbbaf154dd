//! Processes to measure, each deployment with a database and a prefix of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use callboard_postgres::testing::TestDatabase;
use callboard_rabbitmq::testing::{Sandbox, amqp_url};
use chaos::service::Process;
use chaos::world::{binaries, free_addresses};
use conformance::system::SUBSCRIBERS;

/// How long a service may take until it is ready: a projector may have to build its tables first.
const READY_WITHIN: Duration = Duration::from_secs(600);

/// A deployment. Dropped, its database and its queues are gone.
pub struct Deployment {
    /// Its database.
    pub database: TestDatabase,
    sandbox: Sandbox,
    logs: PathBuf,
}

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The command service beside a projector.
    Command,
    /// The projector.
    Projector,
    /// The command service that serves both sides.
    Inline,
    /// The simplest honest service.
    Simplest,
}

/// A process that is ready.
pub struct Service {
    process: Process,
    /// Its public address.
    pub http: SocketAddr,
    /// Its number.
    pub pid: u32,
}

impl Deployment {
    /// An empty database and an unused prefix.
    ///
    /// # Errors
    /// When there is no place for logs.
    pub async fn new() -> Result<Self> {
        let logs = std::env::temp_dir().join(format!("callboard-bench-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&logs).with_context(|| format!("can't make {}", logs.display()))?;
        Ok(Self {
            database: TestDatabase::create().await,
            sandbox: Sandbox::new(SUBSCRIBERS),
            logs,
        })
    }

    /// Where its database is, for programs that know no parameters of ours.
    pub fn plain_url(&self) -> &str {
        let url = self.database.url();
        url.split_once('?').map_or(url, |(plain, _)| plain)
    }

    /// Starts a process and waits until it is ready.
    ///
    /// # Errors
    /// When it isn't built, or doesn't become ready; the message names its log.
    pub async fn start(&self, kind: Kind) -> Result<Service> {
        self.start_with(kind, &[]).await
    }

    /// Starts a process with more settings, and waits until it is ready.
    ///
    /// # Errors
    /// As [`Deployment::start`].
    pub async fn start_with(&self, kind: Kind, more: &[(&str, &str)]) -> Result<Service> {
        let (binary, topology) = match kind {
            Kind::Command => ("callboard-command", "brokered"),
            Kind::Projector => ("callboard-projector", "brokered"),
            Kind::Inline => ("callboard-command", "inline"),
            Kind::Simplest => ("examples/simplest_service", "none"),
        };
        let [http, ops] = free_addresses()?;
        let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut environment = vec![
            set("DATABASE_URL", self.database.url()),
            set("AMQP_URL", &amqp_url()),
            set("MESSAGING_QUEUE_PREFIX", &self.sandbox.prefix),
            set("CALLBOARD_TOPOLOGY", topology),
            set("COMMAND_HTTP_ADDR", &http.to_string()),
            set("QUERY_HTTP_ADDR", &http.to_string()),
            set("COMMAND_OPS_ADDR", &ops.to_string()),
            set("QUERY_OPS_ADDR", &ops.to_string()),
            set("LOG_FORMAT", "json"),
            set("RUST_LOG", "warn"),
        ];
        environment.extend(more.iter().map(|(name, value)| set(name, value)));
        let log = self.logs.join(format!("{kind:?}.log"));
        let process = Process::start(&binaries()?.join(binary), &environment, &log)?;
        let pid = process.id().context("it has just been started")?;
        let mut service = Service { process, http, pid };
        let within = Instant::now() + READY_WITHIN;
        let ready = format!("http://{}/readyz", if kind == Kind::Simplest { http } else { ops });
        while !reqwest::get(&ready).await.is_ok_and(|answer| answer.status() == 200) {
            let ended = service.process.ended();
            ensure!(
                ended.is_none() && Instant::now() < within,
                "{kind:?} isn't ready: see {}",
                log.display()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(service)
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.logs);
    }
}

impl Service {
    /// Ends it as SIGTERM does.
    ///
    /// # Errors
    /// When it doesn't end in time.
    pub async fn stop(mut self) -> Result<()> {
        self.process.terminate().await
    }
}
