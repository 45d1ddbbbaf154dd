//! The embedded topology: one process, everything in memory, no services.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use callboard::cycle::Clock;
use callboard::event_handler::HandlerParking;
use callboard::log::LogReader;
use callboard::memory::{
    MemoryBus, MemoryConnect, MemoryEventHandlerStore, MemoryLog, MemoryProcessManagerStore, MemoryProjection,
    MemoryViews,
};
use callboard::parking::OnFailure;
use callboard::process_manager::ManagerParking;
use callboard::{EventHandler, Log, ProcessManager, Projection, Subscribers, View, Views};
use callboard_http::{Edge, EventFeed, FeedWaker, HttpContext};

use crate::admin::{AdminHandle, MemoryAdmin};
use crate::assembly::{
    CommandStores, DailyCycles, HandlerStores, QueryStores, command_side, event_handlers, projections, query_side,
};
use crate::config::Config;
use crate::contexts::{Mount, mount_all};
use crate::handlers::HandlerSettings;
use crate::lifecycle::{Running, Service};
use crate::listen::{bind_near, edge, readiness, serve_ops, serve_public};
use crate::watched::Watched;

/// The stores of one context.
#[derive(Default)]
pub(crate) struct Stores {
    pub(crate) log: MemoryLog,
    bus: MemoryBus,
    pub(crate) views: MemoryViews,
    waker: FeedWaker,
    managers: Mutex<BTreeMap<&'static str, MemoryProcessManagerStore>>,
    handlers: Mutex<BTreeMap<&'static str, MemoryEventHandlerStore>>,
}

impl CommandStores for Stores {
    type Log = MemoryLog;
    type Tap = (MemoryBus, FeedWaker);
    type Connect = MemoryConnect;
    type Managers = MemoryProcessManagerStore;

    fn log(&self) -> MemoryLog {
        self.log.clone()
    }

    fn tap(&self) -> Self::Tap {
        (self.bus.clone(), self.waker.clone())
    }

    fn connect(&self, _: &'static str) -> MemoryConnect {
        self.bus.queue()
    }

    fn manager<M: ProcessManager>(&self) -> MemoryProcessManagerStore {
        let mut managers = self.managers.lock().unwrap_or_else(PoisonError::into_inner);
        managers.entry(M::NAME).or_default().clone()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(jiff::Timestamp::now)
    }
}

impl HandlerStores for Stores {
    type Reader = MemoryLog;
    type Connect = MemoryConnect;
    type Handlers = MemoryEventHandlerStore;

    fn handler_reader(&self) -> MemoryLog {
        self.log.clone()
    }

    fn handler_feed(&self, _: &'static str) -> MemoryConnect {
        self.bus.queue()
    }

    fn handler<H: EventHandler>(&self) -> MemoryEventHandlerStore {
        let mut handlers = self.handlers.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || MemoryEventHandlerStore::new(&self.log);
        handlers.entry(H::NAME).or_insert_with(new).clone()
    }
}

impl Views for Stores {
    fn view<P: Projection>(&self) -> View<P> {
        self.views.view()
    }
}

impl QueryStores for Stores {
    type Reader = MemoryLog;
    type Connect = MemoryConnect;
    type Projection<P: Projection> = MemoryProjection<P>;

    fn reader(&self) -> MemoryLog {
        self.log.clone()
    }

    fn connect(&self, _: &'static str) -> MemoryConnect {
        self.bus.queue()
    }

    fn projection<P: Projection>(&self) -> MemoryProjection<P> {
        self.views.projection()
    }
}

/// Collects what operators need of a context.
struct Administered<'a> {
    stores: &'a Stores,
    settings: &'a HandlerSettings,
    admin: &'a mut MemoryAdmin,
}

impl<L: Log> Subscribers<L> for Administered<'_> {
    fn projection<P: Projection<Log = L>>(&mut self) {
        let projection = self.stores.views.projection::<P>();
        self.admin.gates.push((L::NAME, P::NAME, projection.gate()));
        self.admin.parkings.push(Arc::new(projection));
    }

    fn process_manager<M: ProcessManager<Log = L>>(&mut self) {
        let store = self.stores.manager::<M>();
        self.admin.gates.push((L::NAME, M::NAME, store.gate()));
        if M::ON_FAILURE == OnFailure::Park {
            let parking = ManagerParking::<M, _, _>::new(store, self.stores.log.clone());
            self.admin.parkings.push(Arc::new(parking));
        }
    }

    fn event_handler<H: EventHandler<Log = L>>(&mut self) {
        // In memory there is nothing to look after of one that is switched off.
        let Some(handler) = self.settings.handler::<H>() else {
            return;
        };
        let store = self.stores.handler::<H>();
        self.admin.gates.push((L::NAME, H::NAME, store.gate()));
        self.admin.handlers.push((L::NAME, H::NAME, store.clone()));
        let parking = HandlerParking::new(Some(Arc::new(handler)), store, self.stores.log.clone());
        self.admin.parkings.push(Arc::new(parking));
    }
}

struct Embedding {
    service: Service,
    watched: Watched,
    config: Config,
    edge: Edge,
    routes: Router,
    feed: EventFeed,
    logs: Vec<(&'static str, MemoryLog)>,
    admin: MemoryAdmin,
    cycles: DailyCycles,
}

impl Mount for Embedding {
    async fn mount<C: HttpContext>(&mut self) -> anyhow::Result<()> {
        let stores = Stores::default();
        projections::<C>(&self.service, &self.watched, &stores, &self.config)?;
        event_handlers::<C>(&self.service, &self.watched, &stores, &self.config).await;
        let (commands, cycles) =
            command_side::<C>(&self.service, &self.watched, &stores, &self.edge, &self.config).await;
        self.cycles.append(cycles);
        let queries = query_side::<C>(&stores, &self.edge);
        self.routes = std::mem::take(&mut self.routes).merge(commands).merge(queries);
        let feed = std::mem::replace(&mut self.feed, EventFeed::new(self.edge.clone()));
        self.feed = feed.log(C::Log::NAME, stores.log.clone(), &stores.waker);
        C::subscribers(&mut Administered {
            stores: &stores,
            settings: &self.config.handlers,
            admin: &mut self.admin,
        });
        self.logs.push((C::Log::NAME, stores.log));
        Ok(())
    }
}

/// Starts everything in this process, on the configured addresses or the next free ports, with a
/// little demo data if asked for.
///
/// # Errors
/// When no address can be opened, or the demo data are not accepted.
pub async fn start(config: &Config, demo: bool) -> anyhow::Result<Running> {
    config.handlers.check().await?;
    let service = Service::new();
    let http = bind_near("COMMAND_HTTP_ADDR", config.command_http).await?;
    let ops = bind_near("COMMAND_OPS_ADDR", config.command_ops).await?;
    let (http_address, ops_address) = (http.local_addr()?, ops.local_addr()?);
    let edge = edge(&service, config, http_address);
    let watched = Watched::default();
    let mut embedding = Embedding {
        service: service.clone(),
        watched: watched.clone(),
        config: config.clone(),
        edge: edge.clone(),
        routes: Router::new(),
        feed: EventFeed::new(edge.clone()),
        logs: Vec::new(),
        admin: MemoryAdmin {
            watched: watched.clone(),
            ..MemoryAdmin::default()
        },
        cycles: DailyCycles::default(),
    };
    mount_all(&mut embedding).await?;
    let Embedding {
        routes,
        feed,
        logs,
        admin,
        cycles,
        ..
    } = embedding;
    let handle = AdminHandle::default();
    handle.open(admin);
    let ready = readiness(&service, &watched);
    serve_ops(&service, ops, &edge, ready, watched, handle).await?;
    let routes = routes.merge(feed.routes());
    if demo {
        crate::demo::fill(&routes).await?;
    }
    // Behind the demo data: today's date is what makes its product late.
    cycles.begin(&service).await;
    if demo {
        crate::demo::rest(&routes).await?;
    }
    let mut heads = BTreeMap::new();
    for (log, reader) in logs {
        heads.insert(log, reader.head().await?.position.get());
    }
    let running = Running {
        http: http_address,
        ops: ops_address,
        service: service.clone(),
        heads,
    };
    serve_public(&service, http, &edge, routes);
    Ok(running)
}
