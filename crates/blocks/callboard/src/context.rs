//! A bounded context, as the services see it.

use crate::cycle::Cycle;
use crate::event::Log;
use crate::event_handler::EventHandler;
use crate::process_manager::ProcessManager;
use crate::projection::Projection;
use crate::router::Router;

/// What a context is made of. Services build it in whatever topology.
pub trait Context: Send + Sync + 'static {
    /// Its log.
    type Log: Log;

    /// Its commands and live models.
    fn router() -> Router<Self::Log>;

    /// Its projections, process managers, event handlers and daily cycles, each handed over once.
    fn subscribers<S: Subscribers<Self::Log>>(to: &mut S);
}

/// Takes each subscriber of a context by its type.
pub trait Subscribers<L: Log> {
    /// Takes a projection.
    fn projection<P: Projection<Log = L>>(&mut self);

    /// Takes a process manager.
    fn process_manager<M: ProcessManager<Log = L>>(&mut self);

    /// Takes an event handler, which the service makes from its settings.
    fn event_handler<H: EventHandler<Log = L>>(&mut self);

    /// Takes a daily cycle. It subscribes to nothing, so most have no use for it.
    fn cycle<C: Cycle<Log = L>>(&mut self) {}
}
