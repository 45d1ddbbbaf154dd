//! A topology that runs: its services in this process, its database and broker prefix its own.

use std::net::SocketAddr;
use std::time::Duration;

use callboard_kit::{
    Auth, Config, HandlerSettings, Running, start_command, start_embedded, start_inline, start_projector,
};
use callboard_postgres::testing::TestDatabase;
use callboard_rabbitmq::testing::{Sandbox, amqp_url};
use tokio::runtime::{Builder, Runtime};

use crate::api::Api;
use crate::clock::HostClock;

/// How the parts of Callboard are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// One process, everything in memory.
    Embedded,
    /// Postgres only, projections in the append's transaction.
    Inline,
    /// Postgres and RabbitMQ, command service and projector.
    Brokered,
}

/// Every subscriber that has a queue.
pub const SUBSCRIBERS: &[(&str, &str)] = &[
    ("warehouse", "products"),
    ("warehouse", "low_stock"),
    ("warehouse", "low-product-quantity-notification"),
    ("finance", "companies"),
    ("finance", "assets"),
    ("finance", "accounts"),
    ("finance", "deals"),
    ("finance", "grants"),
    ("finance", "memberships"),
    ("finance", "calendar"),
    ("finance", "products"),
    ("finance", "late-fees"),
    ("tickets", "tickets"),
    ("tickets", "ticket_history"),
];

/// How long a start may take: some begin on a long log, on a machine that is busy.
const START_WITHIN: Duration = Duration::from_secs(90);

/// Event handlers that run once their settings switch them on; then each has a queue.
pub const HANDLERS: &[(&str, &str)] = &[("tickets", "ticket-webhook")];

/// A started service on threads of its own. Dropped, it is gone at once, in the middle of whatever
/// it does.
pub struct Replica {
    running: Option<Running>,
    /// Its public address.
    pub http: SocketAddr,
    /// Its ops address.
    pub ops: SocketAddr,
    runtime: Option<Runtime>,
}

impl Replica {
    /// Starts a service.
    ///
    /// # Panics
    /// When it doesn't start.
    pub async fn start<S>(start: S) -> Self
    where
        S: Future<Output = Result<Running, Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("threads can be had");
        let started = tokio::time::timeout(START_WITHIN, runtime.spawn(start)).await;
        let started = started.expect("the service starts in time");
        let running = started.expect("starting does not panic").expect("the service starts");
        Self {
            http: running.http,
            ops: running.ops,
            running: Some(running),
            runtime: Some(runtime),
        }
    }

    /// Ends it as SIGTERM does.
    ///
    /// # Panics
    /// When something in it doesn't end in time.
    pub async fn stop(mut self) {
        let running = self.running.take().expect("a replica is stopped once");
        let runtime = self.runtime.as_ref().expect("its threads live as long as it does");
        let ended = runtime.spawn(async move { running.service.shut_down().await });
        assert!(
            ended.await.expect("ending does not panic"),
            "the service ended within its time"
        );
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        // On another thread: a runtime can't be waited for from within one.
        if let Some(runtime) = self.runtime.take() {
            let ending = std::thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(5)));
            let _ = ending.join();
        }
    }
}

/// Where services of a deployment find each other. Dropped, its database, exchanges and queues are
/// gone.
pub struct Ground {
    /// The database.
    pub database: TestDatabase,
    /// The exchanges and queues.
    pub sandbox: Sandbox,
    /// The hosts' clock.
    pub clock: HostClock,
    /// What event handlers are made from.
    pub handlers: HandlerSettings,
}

impl Ground {
    /// A database and a prefix of its own.
    pub async fn new() -> Self {
        Self::on(TestDatabase::create().await)
    }

    /// This database, and a prefix of its own.
    pub fn on(database: TestDatabase) -> Self {
        Self {
            database,
            sandbox: Sandbox::new(&[SUBSCRIBERS, HANDLERS].concat()),
            clock: HostClock::new(),
            handlers: HandlerSettings::default(),
        }
    }

    /// The configuration of a service here, on free ports.
    pub fn config(&self) -> Config {
        Config {
            database_url: self.database.url().into(),
            amqp_url: amqp_url(),
            queue_prefix: self.sandbox.prefix.clone(),
            handlers: self.handlers.clone(),
            ..config(&self.clock)
        }
    }

    /// A command service.
    pub async fn command(&self) -> Replica {
        command(self.config()).await
    }

    /// A projector.
    pub async fn projector(&self) -> Replica {
        projector(self.config()).await
    }

    /// A command service that serves both sides.
    pub async fn inline(&self) -> Replica {
        inline(self.config()).await
    }
}

/// Starts a command service.
pub async fn command(config: Config) -> Replica {
    Replica::start(async move { Ok(start_command(&config).await?) }).await
}

/// Starts a projector.
pub async fn projector(config: Config) -> Replica {
    Replica::start(async move { Ok(start_projector(&config).await?) }).await
}

/// Starts a command service that serves both sides.
pub async fn inline(config: Config) -> Replica {
    Replica::start(async move { Ok(start_inline(&config).await?) }).await
}

/// Starts everything in memory.
pub async fn embedded(clock: &HostClock, handlers: HandlerSettings) -> Replica {
    let config = Config {
        handlers,
        ..config(clock)
    };
    Replica::start(async move { Ok(start_embedded(&config, false).await?) }).await
}

/// A configuration on free ports.
fn config(clock: &HostClock) -> Config {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Config {
        database_url: String::new(),
        amqp_url: String::new(),
        topology: callboard_kit::Topology::Brokered,
        command_http: any,
        query_http: any,
        command_ops: any,
        query_ops: any,
        queue_prefix: String::new(),
        event_messages: true,
        // Several services share a server that takes 100.
        database_connections: 9,
        worker_threads: None,
        idempotency_keep: Duration::from_secs(7 * 24 * 60 * 60),
        restart_delay: Duration::from_millis(100),
        calendar: HostClock::calendar(),
        clock: Some(clock.shared()),
        auth: Auth::Development,
        handlers: HandlerSettings::default(),
        log_filter: "info".into(),
        log_json: None,
        no_migrate: false,
    }
}

/// A whole topology, ready to be asked.
pub struct System {
    /// Asks it.
    pub api: Api,
    /// How it is put together.
    pub topology: Topology,
    /// Its services: the command side first.
    pub replicas: Vec<Replica>,
    /// Where it stands, unless it is in memory.
    pub ground: Option<Ground>,
    /// Its hosts' clock.
    pub clock: HostClock,
}

impl System {
    /// Starts a topology with nothing in it.
    ///
    /// # Panics
    /// When a server that it needs is missing.
    pub async fn start(topology: Topology) -> Self {
        Self::start_with(topology, HandlerSettings::default()).await
    }

    /// As [`System::start`], with event handlers that are made from these settings.
    ///
    /// # Panics
    /// When a server that it needs is missing.
    pub async fn start_with(topology: Topology, handlers: HandlerSettings) -> Self {
        let clock = HostClock::new();
        let ground = async |handlers| Ground {
            handlers,
            ..Ground::new().await
        };
        let (replicas, ground) = match topology {
            Topology::Embedded => (vec![embedded(&clock, handlers).await], None),
            Topology::Inline => {
                let ground = ground(handlers).await;
                (vec![ground.inline().await], Some(ground))
            }
            Topology::Brokered => {
                let ground = ground(handlers).await;
                let (command, projector) = tokio::join!(ground.command(), ground.projector());
                (vec![command, projector], Some(ground))
            }
        };
        let (commands, queries) = (&replicas[0], &replicas[replicas.len() - 1]);
        let api = Api::new(commands.http, queries.http);
        for replica in &replicas {
            Api::new(replica.http, replica.http).until_ready(replica.ops).await;
        }
        Self {
            api,
            topology,
            clock: ground.as_ref().map_or(clock, |ground| ground.clock.clone()),
            replicas,
            ground,
        }
    }

    /// The ops listeners of its services.
    pub fn ops(&self) -> impl Iterator<Item = SocketAddr> {
        self.replicas.iter().map(|replica| replica.ops)
    }

    /// Where it stands.
    ///
    /// # Panics
    /// When it is in memory.
    pub fn ground(&self) -> &Ground {
        self.ground.as_ref().expect("it isn't in memory")
    }

    /// Ends every service as SIGTERM does.
    pub async fn stop(self) {
        for replica in self.replicas {
            replica.stop().await;
        }
    }
}
