//! The brokered topology: the command service and the projector, on Postgres and RabbitMQ, any
//! number of replicas of each.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use callboard::cycle::Clock;
use callboard::{EventHandler, Log, ProcessManager, Projection, View, Views};
use callboard_http::{Edge, EventFeed, HttpContext};
use callboard_postgres::{
    Database, Notifier, PgEventHandlerStore, PgLog, PgProcessManagerStore, PgProjection, PgRelayStore, PgViews, Wakeups,
};
use callboard_rabbitmq::{Broker, QueueFeeds, Recent, Relay, RelayConfig, RelayHandle, Topology};

use crate::admin::{AdminHandle, PgAdmin};
use crate::assembly::{
    CommandStores, HandlerStores, QueryStores, command_side, event_handlers, projections, query_side,
};
use crate::config::Config;
use crate::contexts::{Mount, mount_all};
use crate::lifecycle::{Running, Service};
use crate::listen::{bind, edge, readiness, serve_ops, serve_public};
use crate::operator::{explain_broker, open_broker, topology};
use crate::postgres::{feed_waker, on_growth, open, rebuilds, tidy, wakeups};
use crate::probe::Probe;
use crate::watched::Watched;

/// What both services stand on.
#[derive(Clone)]
struct Ground {
    service: Service,
    watched: Watched,
    database: Database,
    wakeups: Arc<Wakeups>,
    broker: Broker,
    topology: Topology,
    edge: Edge,
}

/// The command side's stores of one context.
struct CommandStoresOf<L: Log> {
    ground: Ground,
    relay: RelayHandle,
    recent: Recent,
    context: std::marker::PhantomData<fn() -> L>,
}

impl<L: Log> CommandStores for CommandStoresOf<L> {
    type Log = PgLog;
    type Tap = (RelayHandle, (Notifier, Recent));
    type Connect = QueueFeeds;
    type Managers = PgProcessManagerStore;

    fn log(&self) -> PgLog {
        PgLog::new::<L>(&self.ground.database)
    }

    fn tap(&self) -> Self::Tap {
        let notifier = Notifier::spawn::<L>(&self.ground.database);
        (self.relay.clone(), (notifier, self.recent.clone()))
    }

    fn connect(&self, process_manager: &'static str) -> QueueFeeds {
        QueueFeeds::new(&self.ground.broker, &self.ground.topology, L::NAME, process_manager)
            .beside(self.recent.clone())
    }

    fn manager<M: ProcessManager>(&self) -> PgProcessManagerStore {
        PgProcessManagerStore::new::<M>(&self.ground.database)
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.ground.database.clone())
    }
}

/// The query side's stores of one context.
struct QueryStoresOf<L: Log> {
    ground: Ground,
    views: PgViews,
    context: std::marker::PhantomData<fn() -> L>,
}

impl<L: Log> Views for QueryStoresOf<L> {
    fn view<P: Projection>(&self) -> View<P> {
        self.views.view()
    }
}

impl<L: Log> QueryStores for QueryStoresOf<L> {
    type Reader = PgLog;
    type Connect = QueueFeeds;
    type Projection<P: Projection> = PgProjection<P>;

    fn reader(&self) -> PgLog {
        PgLog::new::<L>(&self.ground.database)
    }

    fn connect(&self, projection: &'static str) -> QueueFeeds {
        QueueFeeds::new(&self.ground.broker, &self.ground.topology, L::NAME, projection)
    }

    fn projection<P: Projection>(&self) -> PgProjection<P> {
        PgProjection::new(&self.ground.database)
    }
}

impl<L: Log> HandlerStores for QueryStoresOf<L> {
    type Reader = PgLog;
    type Connect = QueueFeeds;
    type Handlers = PgEventHandlerStore;

    fn handler_reader(&self) -> PgLog {
        PgLog::new::<L>(&self.ground.database)
    }

    fn handler_feed(&self, event_handler: &'static str) -> QueueFeeds {
        QueueFeeds::new(&self.ground.broker, &self.ground.topology, L::NAME, event_handler)
    }

    fn handler<H: EventHandler>(&self) -> PgEventHandlerStore {
        PgEventHandlerStore::new::<H>(&self.ground.database)
    }
}

struct Commanding {
    ground: Ground,
    config: Config,
    routes: Router,
}

impl Mount for Commanding {
    async fn mount<C: HttpContext>(&mut self) -> anyhow::Result<()> {
        let Ground {
            service,
            watched,
            database,
            wakeups,
            broker,
            topology,
            edge,
            ..
        } = &self.ground;
        let log = PgLog::new::<C::Log>(database);
        let relay = Relay::new(
            C::Log::NAME,
            broker,
            topology,
            log,
            PgRelayStore::new::<C::Log>(database),
        )
        .with_config(RelayConfig {
            event_messages: self.config.event_messages,
            ..RelayConfig::default()
        });
        let handle = relay.handle();
        watched.relay(C::Log::NAME, handle.status());
        service.spawn(format!("relay {}", C::Log::NAME), relay.run(service.stopping.clone()));
        let woken = handle.clone();
        on_growth::<C::Log>(service, wakeups, move |head| woken.wake(head));
        let stores = CommandStoresOf::<C::Log> {
            ground: self.ground.clone(),
            relay: handle,
            recent: Recent::new(),
            context: std::marker::PhantomData,
        };
        let (routes, cycles) = command_side::<C>(service, watched, &stores, edge, &self.config).await;
        cycles.begin(service).await;
        self.routes = std::mem::take(&mut self.routes).merge(routes);
        Ok(())
    }
}

struct Projecting {
    ground: Ground,
    config: Config,
    routes: Router,
    feed: EventFeed,
}

impl Mount for Projecting {
    async fn mount<C: HttpContext>(&mut self) -> anyhow::Result<()> {
        let Ground {
            service,
            watched,
            database,
            wakeups,
            edge,
            ..
        } = &self.ground;
        let stores = QueryStoresOf::<C::Log> {
            views: PgViews::new(database),
            ground: self.ground.clone(),
            context: std::marker::PhantomData,
        };
        let waits = projections::<C>(service, watched, &stores, &self.config)?;
        event_handlers::<C>(service, watched, &stores, &self.config).await;
        rebuilds::<C>(service, database, wakeups, &waits);
        let routes = query_side::<C>(&stores, edge);
        self.routes = std::mem::take(&mut self.routes).merge(routes);
        let waker = feed_waker::<C::Log>(service, wakeups);
        let feed = std::mem::replace(&mut self.feed, EventFeed::new(edge.clone()));
        self.feed = feed.log(C::Log::NAME, PgLog::for_queries::<C::Log>(database), &waker);
        Ok(())
    }
}

/// The probes of a service, and the ops listener that shows them.
struct Shown {
    database: Probe,
    broker: Probe,
    started: Probe,
    admin: AdminHandle,
    ops: std::net::SocketAddr,
}

/// Opens the ops listener first, so that a start that waits can be watched.
async fn show(
    service: &Service,
    watched: &Watched,
    edge: &Edge,
    variable: &str,
    address: std::net::SocketAddr,
) -> anyhow::Result<Shown> {
    let listener = bind(variable, address).await?;
    let shown = Shown {
        database: Probe::waiting("not connected yet"),
        broker: Probe::waiting("not connected yet"),
        started: Probe::waiting("still starting"),
        admin: AdminHandle::default(),
        ops: listener.local_addr().context("the listener's own address")?,
    };
    let (database, broker, started) = (shown.database.clone(), shown.broker.clone(), shown.started.clone());
    let ready = readiness(service, watched)
        .check("database", move || database.check())
        .check("broker", move || broker.check())
        .check("start", move || started.check());
    let admin = shown.admin.clone();
    serve_ops(service, listener, edge, ready, watched.clone(), admin).await?;
    Ok(shown)
}

async fn ground(
    service: &Service,
    watched: Watched,
    edge: &Edge,
    config: &Config,
    application: &str,
    shown: &Shown,
) -> anyhow::Result<Ground> {
    config.handlers.check().await?;
    let (broker, topology) = (open_broker(config, application)?, topology(config)?);
    let (asked, settings) = (broker.clone(), config.clone());
    shown.broker.keep_asking(service, "broker", move || {
        let (broker, config) = (asked.clone(), settings.clone());
        async move { broker.probe().await.map_err(|error| explain_broker(&config, &error)) }
    });
    let database = open(service, config, application, &shown.database).await?;
    shown
        .admin
        .open(PgAdmin::new(&database, &watched, &config.handlers).await?);
    Ok(Ground {
        service: service.clone(),
        watched,
        wakeups: wakeups(&database),
        database,
        broker,
        topology,
        edge: edge.clone(),
    })
}

/// Starts the command service: commands, process managers and relays.
///
/// # Errors
/// When an address can't be opened or a URL can't be read. A database that is away is waited for;
/// a broker that is away is done without.
pub async fn start_command(config: &Config) -> anyhow::Result<Running> {
    let (service, watched) = (Service::new(), Watched::default());
    let edge = edge(&service, config, config.command_http);
    let shown = show(&service, &watched, &edge, "COMMAND_OPS_ADDR", config.command_ops).await?;
    let ground = ground(&service, watched, &edge, config, "callboard-command", &shown).await?;
    tidy(&service, &ground.database, config.idempotency_keep);
    let mut commanding = Commanding {
        ground,
        config: config.clone(),
        routes: Router::new(),
    };
    mount_all(&mut commanding).await?;
    let http = bind("COMMAND_HTTP_ADDR", config.command_http).await?;
    let address = http.local_addr().context("the listener's own address")?;
    serve_public(&service, http, &edge, commanding.routes);
    shown.started.set(Ok(()));
    Ok(Running {
        http: address,
        ops: shown.ops,
        service,
        heads: BTreeMap::new(),
    })
}

/// Starts the projector: projections, event handlers, queries and the event feed.
///
/// # Errors
/// As [`start_command`].
pub async fn start_projector(config: &Config) -> anyhow::Result<Running> {
    let (service, watched) = (Service::new(), Watched::default());
    let edge = edge(&service, config, config.query_http);
    let shown = show(&service, &watched, &edge, "QUERY_OPS_ADDR", config.query_ops).await?;
    let ground = ground(&service, watched, &edge, config, "callboard-projector", &shown).await?;
    let mut projecting = Projecting {
        ground,
        config: config.clone(),
        routes: Router::new(),
        feed: EventFeed::new(edge.clone()),
    };
    mount_all(&mut projecting).await?;
    let http = bind("QUERY_HTTP_ADDR", config.query_http).await?;
    let address = http.local_addr().context("the listener's own address")?;
    serve_public(&service, http, &edge, projecting.routes.merge(projecting.feed.routes()));
    shown.started.set(Ok(()));
    Ok(Running {
        http: address,
        ops: shown.ops,
        service,
        heads: BTreeMap::new(),
    })
}
