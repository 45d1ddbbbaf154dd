//! The embedded topology: one process, everything in memory, no services.

use std::collections::BTreeMap;

use axum::Router;
use callboard::log::LogReader;
use callboard::memory::{
    MemoryBus, MemoryConnect, MemoryLog, MemoryProcessManagerStore, MemoryProjection, MemoryViews,
};
use callboard::{Log, ProcessManager, Projection, View, Views};
use callboard_http::{Edge, EventFeed, FeedWaker, HttpContext, Readiness};

use crate::assembly::{CommandStores, QueryStores, Watched, command_side, projections, query_side};
use crate::config::Config;
use crate::contexts::{Mount, mount_all};
use crate::lifecycle::{Running, Service};
use crate::listen::{bind_near, edge, serve_ops, serve_public};

/// The stores of one context.
#[derive(Default)]
struct Stores {
    log: MemoryLog,
    bus: MemoryBus,
    views: MemoryViews,
    waker: FeedWaker,
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
        MemoryProcessManagerStore::new()
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

struct Embedding {
    service: Service,
    watched: Watched,
    edge: Edge,
    routes: Router,
    feed: EventFeed,
    logs: Vec<(&'static str, MemoryLog)>,
}

impl Mount for Embedding {
    async fn mount<C: HttpContext>(&mut self) -> anyhow::Result<()> {
        let stores = Stores::default();
        projections::<C>(&self.service, &self.watched, &stores);
        let commands = command_side::<C>(&self.service, &self.watched, &stores, &self.edge).await;
        let queries = query_side::<C>(&stores, &self.edge);
        self.routes = std::mem::take(&mut self.routes).merge(commands).merge(queries);
        let feed = std::mem::replace(&mut self.feed, EventFeed::new(self.edge.clone()));
        self.feed = feed.log(C::Log::NAME, stores.log.clone(), &stores.waker);
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
    let service = Service::new();
    let http = bind_near("COMMAND_HTTP_ADDR", config.command_http).await?;
    let ops = bind_near("COMMAND_OPS_ADDR", config.command_ops).await?;
    let (http_address, ops_address) = (http.local_addr()?, ops.local_addr()?);
    let edge = edge(&service);
    let mut embedding = Embedding {
        service: service.clone(),
        watched: Watched::default(),
        edge: edge.clone(),
        routes: Router::new(),
        feed: EventFeed::new(edge.clone()),
        logs: Vec::new(),
    };
    mount_all(&mut embedding).await?;
    let Embedding {
        watched,
        routes,
        feed,
        logs,
        ..
    } = embedding;
    let checked = watched.clone();
    let readiness = Readiness::new(service.draining.clone()).check("subscribers", move || checked.check());
    serve_ops(&service, ops, &edge, readiness, watched);
    let routes = routes.merge(feed.routes());
    if demo {
        crate::demo::fill(&routes).await?;
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
