//! A log, a feed and views in memory: the embedded topology, and tests without services. They pass
//! the same contract suites as the real ones.

mod bus;
mod event_handler;
mod gate;
mod log;
mod process_manager;
mod projection;
mod views;

pub use bus::{MemoryBus, MemoryConnect, MemoryFeed};
pub use event_handler::MemoryEventHandlerStore;
pub use gate::Gate;
pub use log::{LockedMemoryLog, MemoryLog, MemoryTurn};
pub use process_manager::MemoryProcessManagerStore;
pub use projection::MemoryProjection;
pub use views::MemoryViews;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The data behind a mutex; whoever panicked while holding it left it whole (it is only held over
/// moves of values).
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
