//! What every store of a process manager must do with commands while it is stopped.

use super::ItemsLog;
use super::process_managers::{item, running, told};
use crate::log::LogStore;
use crate::names::Checkpoint;
use crate::process_manager::ProcessManagerStore;
use crate::spec::record;
use crate::subscription::Lock;

/// Judges a fresh store of [`super::Tally`], whose log is `log`, empty as yet: while it is paused or halted its
/// commands are kept, and none is given out to be sent. `pause` and `resume` are the operator's hand.
///
/// # Panics
/// When the store breaks the contract; the message says where.
pub async fn stopped_managers<S, L>(store: S, log: &L, pause: impl AsyncFn(), resume: impl AsyncFn())
where
    S: ProcessManagerStore,
    L: LogStore + Clone,
{
    store.register(Checkpoint::START).await.expect("it is registered");
    record::<ItemsLog>(log, &[item("s-1", "one", 1), item("s-1", "two", 1)]).await;
    let mut manager = running::<true, _, _>(&store, log);
    manager.catch_up(Lock::Wait).await.expect("it goes on");
    let stored = ["1 s-1 1 1", "2 s-1 2 2"];
    assert_eq!(told(&store).await, stored);

    pause().await;
    assert!(told(&store).await.is_empty(), "a paused one sends nothing");
    resume().await;
    assert_eq!(told(&store).await, stored, "all of it was kept");

    store.halt("for the test").await.expect("it is halted");
    assert!(told(&store).await.is_empty(), "a halted one sends nothing");
    resume().await;
    assert_eq!(told(&store).await, stored, "all of it was kept");
}
