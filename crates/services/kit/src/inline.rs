//! The inline topology: Postgres only. Projections are folded in the append's transaction; process
//! managers and event handlers follow the log with the ordinary engine. One process serves both sides, any number of
//! replicas of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use callboard::cycle::Clock;
use callboard::memory::{MemoryBus, MemoryConnect};
use callboard::subscription::Backoff;
use callboard::{EventHandler, Log, ProcessManager, Projection, Subscribers, error_chain};
use callboard_http::{Edge, EventFeed, FeedWaker, HttpContext};
use callboard_postgres::{
    Database, InlineProjections, Notifier, PgEventHandlerStore, PgLog, PgProcessManagerStore, PgViews, Wakeups,
};

use crate::admin::{AdminHandle, PgAdmin};
use crate::assembly::{CommandStores, HandlerStores, Waits, command_side, event_handlers, query_side};
use crate::config::Config;
use crate::contexts::{Mount, mount_all};
use crate::lifecycle::{Running, Service};
use crate::listen::{bind, edge, readiness, serve_ops, serve_public};
use crate::postgres::{feed_waker, open, rebuilds, tidy, wakeups};
use crate::probe::Probe;
use crate::watched::Watched;

/// The stores of one context.
struct Stores<L: Log> {
    database: Database,
    log: PgLog,
    bus: MemoryBus,
    waker: FeedWaker,
    context: std::marker::PhantomData<fn() -> L>,
}

impl<L: Log> CommandStores for Stores<L> {
    type Log = PgLog;
    type Tap = (MemoryBus, (Notifier, FeedWaker));
    type Connect = MemoryConnect;
    type Managers = PgProcessManagerStore;

    fn log(&self) -> PgLog {
        self.log.clone()
    }

    fn tap(&self) -> Self::Tap {
        (
            self.bus.clone(),
            (Notifier::spawn::<L>(&self.database), self.waker.clone()),
        )
    }

    fn connect(&self, _: &'static str) -> MemoryConnect {
        self.bus.queue()
    }

    fn manager<M: ProcessManager>(&self) -> PgProcessManagerStore {
        PgProcessManagerStore::new::<M>(&self.database)
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.database.clone())
    }
}

impl<L: Log> HandlerStores for Stores<L> {
    type Reader = PgLog;
    type Connect = MemoryConnect;
    type Handlers = PgEventHandlerStore;

    fn handler_reader(&self) -> PgLog {
        PgLog::new::<L>(&self.database)
    }

    fn handler_feed(&self, _: &'static str) -> MemoryConnect {
        self.bus.queue()
    }

    fn handler<H: EventHandler>(&self) -> PgEventHandlerStore {
        PgEventHandlerStore::new::<H>(&self.database)
    }
}

/// Collects a context's projections.
struct Inlined<L: Log>(InlineProjections<L>);

impl<L: Log> Subscribers<L> for Inlined<L> {
    fn projection<P: Projection<Log = L>>(&mut self) {
        self.0.add::<P>();
    }

    fn process_manager<M: ProcessManager<Log = L>>(&mut self) {}

    fn event_handler<H: EventHandler<Log = L>>(&mut self) {}
}

struct Inlining {
    service: Service,
    watched: Watched,
    config: Config,
    database: Database,
    wakeups: Arc<Wakeups>,
    edge: Edge,
    routes: Router,
    feed: EventFeed,
}

impl Mount for Inlining {
    async fn mount<C: HttpContext>(&mut self) -> anyhow::Result<()> {
        let mut inlined = Inlined(InlineProjections::new(&self.database));
        C::subscribers(&mut inlined);
        inlined.0.sort()?;
        // Before the first append every projection is brought to the head.
        let mut backoff = Backoff::restarting(self.config.restart_delay);
        while let Err(error) = inlined.0.start().await {
            tracing::error!(
                log = C::Log::NAME,
                error = error_chain(&error),
                "projections can't be brought to the head"
            );
            tokio::time::sleep(backoff.next_delay()).await;
        }
        // They were brought to the head in their order; a rebuild from now on waits for none.
        rebuilds::<C>(&self.service, &self.database, &self.wakeups, &Waits::default());
        let stores = Stores::<C::Log> {
            log: PgLog::with_inline(&self.database, inlined.0),
            bus: MemoryBus::new(),
            waker: feed_waker::<C::Log>(&self.service, &self.wakeups),
            database: self.database.clone(),
            context: std::marker::PhantomData,
        };
        event_handlers::<C>(&self.service, &self.watched, &stores, &self.config).await;
        let (commands, cycles) =
            command_side::<C>(&self.service, &self.watched, &stores, &self.edge, &self.config).await;
        cycles.begin(&self.service).await;
        let queries = query_side::<C>(&PgViews::new(&self.database), &self.edge);
        self.routes = std::mem::take(&mut self.routes).merge(commands).merge(queries);
        let feed = std::mem::replace(&mut self.feed, EventFeed::new(self.edge.clone()));
        self.feed = feed.log(
            C::Log::NAME,
            PgLog::for_queries::<C::Log>(&self.database),
            &stores.waker,
        );
        Ok(())
    }
}

/// Starts the command service inline: it serves commands and queries.
///
/// # Errors
/// When an address can't be opened or `DATABASE_URL` can't be read. A database that is away is
/// waited for.
pub async fn start(config: &Config) -> anyhow::Result<Running> {
    config.handlers.check().await?;
    let service = Service::new();
    let edge = edge(&service, config, config.command_http);
    let (watched, probe, started) = (
        Watched::default(),
        Probe::waiting("not connected yet"),
        Probe::waiting("still starting"),
    );
    let ops = bind("COMMAND_OPS_ADDR", config.command_ops).await?;
    let ops_address = ops.local_addr()?;
    let (database, up, admin) = (probe.clone(), started.clone(), AdminHandle::default());
    let ready = readiness(&service, &watched)
        .check("database", move || database.check())
        .check("start", move || up.check());
    serve_ops(&service, ops, &edge, ready, watched.clone(), admin.clone()).await?;

    let database = open(&service, config, "callboard-command", &probe).await?;
    tidy(&service, &database, config.idempotency_keep);
    admin.open(PgAdmin::inline(&database, &watched, &config.handlers).await?);
    let feed = EventFeed::new(edge.clone());
    let mut inlining = Inlining {
        service: service.clone(),
        watched,
        config: config.clone(),
        wakeups: wakeups(&database),
        database,
        edge: edge.clone(),
        routes: Router::new(),
        feed,
    };
    mount_all(&mut inlining).await?;
    let http = bind("COMMAND_HTTP_ADDR", config.command_http).await?;
    let http_address = http.local_addr().context("the listener's own address")?;
    serve_public(&service, http, &edge, inlining.routes.merge(inlining.feed.routes()));
    started.set(Ok(()));
    Ok(Running {
        http: http_address,
        ops: ops_address,
        service,
        heads: BTreeMap::new(),
    })
}
