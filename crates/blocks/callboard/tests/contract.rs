//! The stores in memory pass the very suites that the real ones pass.

use callboard::contract::{
    Items, event_handlers, feed, log, parking, process_managers, stopped_managers, turns, views,
};
use callboard::memory::{MemoryBus, MemoryEventHandlerStore, MemoryLog, MemoryProcessManagerStore, MemoryProjection};
use callboard::writer::Tap;

#[tokio::test(start_paused = true)]
async fn the_log_in_memory_keeps_the_contract_of_every_log() {
    log(async || MemoryLog::new()).await;
    let one = MemoryLog::new();
    turns([one.clone(), one]).await;
}

#[tokio::test(start_paused = true)]
async fn the_bus_in_memory_keeps_the_contract_of_every_feed() {
    let bus = MemoryBus::new();
    let queue = bus.queue();
    feed(queue, async |events| bus.recorded(&events)).await;
}

#[tokio::test(start_paused = true)]
async fn the_views_in_memory_keep_the_contract_of_every_view_store() {
    let view = MemoryProjection::<Items>::new();
    views(view.clone(), view, async |_| ()).await;
}

#[tokio::test(start_paused = true)]
async fn the_views_in_memory_keep_the_contract_of_parking() {
    let view = MemoryProjection::<Items>::new();
    parking(view.clone(), &MemoryLog::new(), &view, &view).await;
}

#[tokio::test(start_paused = true)]
async fn the_event_handlers_store_in_memory_keeps_the_contract() {
    let log = MemoryLog::new();
    event_handlers(MemoryEventHandlerStore::new(&log), &log, tokio::time::sleep).await;
}

#[tokio::test(start_paused = true)]
async fn the_process_managers_store_in_memory_keeps_the_contract_of_parking() {
    process_managers(MemoryProcessManagerStore::new(), &MemoryLog::new()).await;
}

#[tokio::test(start_paused = true)]
async fn the_process_managers_store_in_memory_keeps_the_commands_of_a_stopped_one() {
    let store = MemoryProcessManagerStore::new();
    let gate = store.gate();
    let (pause, resume) = (async || gate.pause("for the test"), async || gate.resume());
    stopped_managers(store, &MemoryLog::new(), pause, resume).await;
}
