//! A context put together on the stores of a topology: the same code for all three.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use callboard::cycle::{Clock, Cycler};
use callboard::event_handler::{EventHandlerStore, EventHandlerSubscriber};
use callboard::log::{LogReader, LogStore};
use callboard::process_manager::{Dispatcher, ProcessManagerStore, ProcessManagerSubscriber};
use callboard::projection::{Named, in_order, reach_head};
use callboard::subscription::{Connect, Status, Subscriber, Supervisor};
use callboard::writer::{Tap, Writer, WriterConfig};
use callboard::{Context, Cycle, EventHandler, Log, ProcessManager, Projection, Subscribers, Views};
use callboard_http::{CommandSide, Edge, HttpContext, QuerySide};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{Notify, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::lifecycle::Service;
use crate::watched::Watched;

/// What a topology gives the command side of one context.
pub trait CommandStores {
    /// Its log.
    type Log: LogStore;
    /// Who hears of fresh events.
    type Tap: Tap;
    /// Feeds for its process managers.
    type Connect: Connect;
    /// Stores for its process managers.
    type Managers: ProcessManagerStore;

    /// The log.
    fn log(&self) -> Self::Log;
    /// Who hears of fresh events.
    fn tap(&self) -> Self::Tap;
    /// The feed of this process manager.
    fn connect(&self, process_manager: &'static str) -> Self::Connect;
    /// The store of this process manager.
    fn manager<M: ProcessManager>(&self) -> Self::Managers;
    /// The clock that all replicas share.
    fn clock(&self) -> Arc<dyn Clock>;
}

/// What a topology gives the query side of one context.
pub trait QueryStores: Views {
    /// Reads its log.
    type Reader: LogReader;
    /// Feeds for its projections.
    type Connect: Connect;
    /// A projection's subscriber.
    type Projection<P: Projection>: Subscriber<Log = P::Log>;

    /// Reads the log.
    fn reader(&self) -> Self::Reader;
    /// The feed of this projection.
    fn connect(&self, projection: &'static str) -> Self::Connect;
    /// The subscriber that keeps the view of `P`.
    fn projection<P: Projection>(&self) -> Self::Projection<P>;
}

/// What a topology gives the event handlers of one context.
pub trait HandlerStores {
    /// Reads its log.
    type Reader: LogReader;
    /// Feeds for its event handlers.
    type Connect: Connect;
    /// Stores for its event handlers.
    type Handlers: EventHandlerStore;

    /// Reads the log.
    fn handler_reader(&self) -> Self::Reader;
    /// The feed of this event handler.
    fn handler_feed(&self, event_handler: &'static str) -> Self::Connect;
    /// The store of this event handler.
    fn handler<H: EventHandler>(&self) -> Self::Handlers;
}

/// Starts a context's writer and process managers. Returns its command routes once the writer has read the
/// log and every process manager is registered, with the daily cycles, which wait to be begun: before all of
/// that no listener may open.
pub async fn command_side<C: HttpContext>(
    service: &Service,
    watched: &Watched,
    stores: &impl CommandStores,
    edge: &Edge,
    config: &Config,
) -> (Router, DailyCycles) {
    let router = Arc::new(C::router());
    let (writer, commands) = Writer::new(stores.log(), &router, stores.tap(), WriterConfig::default());
    let mut ready = writer.ready();
    watched.writer(C::Log::NAME, writer.ready());
    service.spawn(format!("writer {}", C::Log::NAME), writer.run(service.stopping.clone()));
    let mut managers = Managers {
        service,
        watched,
        stores,
        config,
        router,
        commands: commands.clone(),
        started: Vec::new(),
    };
    C::subscribers(&mut managers);
    for started in managers.started {
        // Closed unsent: the service is stopping.
        let _ = started.await;
    }
    let _ = ready.wait_for(|ready| *ready).await;
    let mut cycles = Cycles {
        stores,
        commands: commands.clone(),
        config,
        stopping: &service.stopping,
        prepared: DailyCycles::default(),
    };
    C::subscribers(&mut cycles);
    let prepared = cycles.prepared;
    (C::command_routes(&CommandSide::new(commands, edge.clone())), prepared)
}

/// Daily cycles that aren't begun yet.
#[must_use = "a date that nobody publishes sets nothing off"]
#[derive(Default)]
pub struct DailyCycles(Vec<DailyCycle>);

struct DailyCycle {
    log: &'static str,
    looked: watch::Receiver<bool>,
    run: BoxFuture<'static, ()>,
}

impl DailyCycles {
    /// Takes those of another context.
    pub fn append(&mut self, mut others: Self) {
        self.0.append(&mut others.0);
    }

    /// Begins them: behind whatever is to hear of the very first date. Returns once each has looked, so that
    /// whoever comes first finds today's date on the calendar.
    pub async fn begin(self, service: &Service) {
        let mut looks = Vec::new();
        for DailyCycle { log, looked, run } in self.0 {
            looks.push(looked);
            service.spawn(format!("daily cycle {log}"), run);
        }
        for mut looked in looks {
            let _ = looked.wait_for(|looked| *looked).await;
        }
    }
}

/// Starts those of a context's event handlers that their settings switch on. Returns once each is
/// registered: what is recorded from then on it will see.
pub async fn event_handlers<C: Context>(
    service: &Service,
    watched: &Watched,
    stores: &impl HandlerStores,
    config: &Config,
) {
    let mut handlers = Handlers {
        service,
        watched,
        stores,
        config,
        started: Vec::new(),
    };
    C::subscribers(&mut handlers);
    for started in handlers.started {
        // Closed unsent: the service is stopping.
        let _ = started.await;
    }
}

struct Handlers<'a, S> {
    service: &'a Service,
    watched: &'a Watched,
    stores: &'a S,
    config: &'a Config,
    started: Vec<oneshot::Receiver<()>>,
}

impl<L: Log, S: HandlerStores> Subscribers<L> for Handlers<'_, S> {
    fn projection<P: Projection<Log = L>>(&mut self) {}

    fn process_manager<M: ProcessManager<Log = L>>(&mut self) {}

    fn event_handler<H: EventHandler<Log = L>>(&mut self) {
        let Some(handler) = self.config.handlers.handler::<H>() else {
            return tracing::info!(
                log = L::NAME,
                subscriber = H::NAME,
                "switched off: it keeps its checkpoint"
            );
        };
        let reader = self.stores.handler_reader();
        let subscriber = EventHandlerSubscriber::new(Arc::new(handler), self.stores.handler::<H>(), reader.clone());
        let mut supervisor = Supervisor::new(subscriber, reader, self.stores.handler_feed(H::NAME))
            .restart_after(self.config.restart_delay);
        self.watched.event_handler(L::NAME, H::NAME, supervisor.status());
        let (started, is_started) = oneshot::channel();
        self.started.push(is_started);
        let stopping = self.service.stopping.clone();
        self.service.spawn(format!("event handler {}", H::NAME), async move {
            if supervisor.start(&stopping).await {
                let _ = started.send(());
                supervisor.run(stopping).await;
            }
        });
    }
}

struct Managers<'a, L: Log, S> {
    service: &'a Service,
    watched: &'a Watched,
    stores: &'a S,
    config: &'a Config,
    router: Arc<callboard::Router<L>>,
    commands: callboard::Commands<L>,
    started: Vec<oneshot::Receiver<()>>,
}

impl<L: Log, S: CommandStores> Subscribers<L> for Managers<'_, L, S> {
    fn projection<P: Projection<Log = L>>(&mut self) {}

    fn process_manager<M: ProcessManager<Log = L>>(&mut self) {
        let (store, log, wake) = (self.stores.manager::<M>(), self.stores.log(), Arc::new(Notify::new()));
        let subscriber = ProcessManagerSubscriber::<M, _, _>::new(store.clone(), log.clone(), wake.clone());
        let mut supervisor =
            Supervisor::new(subscriber, log, self.stores.connect(M::NAME)).restart_after(self.config.restart_delay);
        self.watched.process_manager(L::NAME, M::NAME, supervisor.status());
        let (started, is_started) = oneshot::channel();
        self.started.push(is_started);
        let stopping = self.service.stopping.clone();
        self.service.spawn(format!("process manager {}", M::NAME), async move {
            if supervisor.start(&stopping).await {
                let _ = started.send(());
                supervisor.run(stopping).await;
            }
        });
        let dispatcher = Dispatcher::new(M::NAME, store, self.router.clone(), self.commands.clone(), wake);
        self.watched.commands_of(L::NAME, M::NAME, dispatcher.stuck());
        self.service.spawn(
            format!("dispatcher {}", M::NAME),
            dispatcher.run(self.service.stopping.clone()),
        );
    }

    fn event_handler<H: EventHandler<Log = L>>(&mut self) {}
}

struct Cycles<'a, L: Log, S> {
    stores: &'a S,
    commands: callboard::Commands<L>,
    config: &'a Config,
    stopping: &'a CancellationToken,
    prepared: DailyCycles,
}

impl<L: Log, S: CommandStores> Subscribers<L> for Cycles<'_, L, S> {
    fn projection<P: Projection<Log = L>>(&mut self) {}

    fn process_manager<M: ProcessManager<Log = L>>(&mut self) {}

    fn event_handler<H: EventHandler<Log = L>>(&mut self) {}

    fn cycle<C: Cycle<Log = L>>(&mut self) {
        let calendar = self.config.calendar.clone();
        let clock = self.config.clock.clone().unwrap_or_else(|| self.stores.clock());
        let cycler = Cycler::<C, _>::new(self.stores.log(), self.commands.clone(), calendar, clock);
        self.prepared.0.push(DailyCycle {
            log: L::NAME,
            looked: cycler.looked(),
            run: cycler.run(self.stopping.clone()).boxed(),
        });
    }
}

/// Starts a context's projections; each waits for those that it names. Returns what they wait for, for
/// the tasks that rebuild them.
///
/// # Errors
/// When they wait for each other, or for what isn't there.
pub fn projections<C: Context>(
    service: &Service,
    watched: &Watched,
    stores: &impl QueryStores,
    config: &Config,
) -> anyhow::Result<Waits> {
    let mut projections = Projections {
        watched,
        stores,
        config,
        stopping: &service.stopping,
        prepared: Vec::new(),
        waits: Waits::default(),
    };
    C::subscribers(&mut projections);
    let Projections { prepared, waits, .. } = projections;
    waits.check()?;
    for Prepared { name, run } in prepared {
        let (awaited, reader, stopping) = (waits.of(name), stores.reader(), service.stopping.clone());
        service.spawn(format!("projection {name}"), async move {
            if awaited.is_empty() || reach_head(&reader, awaited, &stopping).await {
                run.await;
            }
        });
    }
    Ok(waits)
}

/// The projections of a context: how each is doing, and which of them it waits for.
#[derive(Clone, Default)]
pub struct Waits {
    named: Vec<Named>,
    statuses: Vec<(&'static str, watch::Receiver<Status>)>,
}

impl Waits {
    fn check(&self) -> anyhow::Result<()> {
        in_order(&self.named)?;
        Ok(())
    }

    /// How those are doing that a projection waits for.
    pub fn of(&self, projection: &str) -> Vec<(&'static str, watch::Receiver<Status>)> {
        let after = self.named.iter().find(|(name, _)| *name == projection);
        let after = after.map_or(&[][..], |(_, after)| after);
        let awaited = self.statuses.iter().filter(|(name, _)| after.contains(name));
        awaited.cloned().collect()
    }
}

/// A projection that isn't started yet.
struct Prepared {
    name: &'static str,
    run: BoxFuture<'static, ()>,
}

struct Projections<'a, S> {
    watched: &'a Watched,
    stores: &'a S,
    config: &'a Config,
    stopping: &'a CancellationToken,
    prepared: Vec<Prepared>,
    waits: Waits,
}

impl<L: Log, S: QueryStores> Subscribers<L> for Projections<'_, S> {
    fn projection<P: Projection<Log = L>>(&mut self) {
        let supervisor = Supervisor::new(
            self.stores.projection::<P>(),
            self.stores.reader(),
            self.stores.connect(P::NAME),
        )
        .restart_after(self.config.restart_delay);
        self.watched.projection(L::NAME, P::NAME, supervisor.status());
        self.waits.named.push((P::NAME, P::AFTER));
        self.waits.statuses.push((P::NAME, supervisor.status()));
        let run = supervisor.run(self.stopping.clone()).boxed();
        self.prepared.push(Prepared { name: P::NAME, run });
    }

    fn process_manager<M: ProcessManager<Log = L>>(&mut self) {}

    fn event_handler<H: EventHandler<Log = L>>(&mut self) {}
}

/// A context's query routes.
pub fn query_side<C: HttpContext>(views: &impl Views, edge: &Edge) -> Router {
    C::query_routes(&QuerySide::new(views, edge.clone()))
}
