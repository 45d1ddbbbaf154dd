//! Process managers: each event calls for its commands exactly once, whatever crashes.

#[path = "../bank/mod.rs"]
mod bank;
mod crashes;
mod dispatches;
mod many;
mod paces;
mod parking;
mod starts;
mod store;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;

use bank::events::opened;
use bank::{Bank, BankEvent, Welcome, router};
use callboard::log::LogReader;
use callboard::memory::MemoryLog;
use callboard::process_manager::{Dispatcher, ProcessManagerStore, ProcessManagerSubscriber};
use callboard::subscription::Runner;
use store::Store;
use support::{FaultyLog, Running};
use tokio::sync::Notify;

type Managed = Runner<ProcessManagerSubscriber<Welcome, Store, MemoryLog>, MemoryLog>;

fn managed(store: &Store, log: &MemoryLog) -> Managed {
    let subscriber = ProcessManagerSubscriber::new(store.clone(), log.clone(), Arc::new(Notify::new()));
    Runner::new(subscriber, log.clone())
}

/// A process manager that has begun on an empty log.
async fn begun(log: &MemoryLog) -> (Store, Managed) {
    let store = Store::default();
    let mut manager = managed(&store, log);
    manager.start().await.expect("it starts");
    (store, manager)
}

fn dispatcher(store: &Store, writer: &Running) -> Dispatcher<Bank, Store> {
    let wake = Arc::new(Notify::new());
    Dispatcher::new(
        "welcome",
        store.clone(),
        Arc::new(router()),
        writer.commands.clone(),
        wake,
    )
}

/// Accounts that are opened, each of its own owner.
fn openings(names: &[&'static str]) -> Vec<(&'static str, BankEvent)> {
    let stream = |name: &str| match name {
        "a" => "account-a",
        "b" => "account-b",
        "c" => "account-c",
        _ => "account-d",
    };
    names.iter().map(|name| (stream(name), opened(name, name))).collect()
}

/// What is pending, as `position.index body`.
async fn pending(store: &Store) -> Vec<String> {
    let pending = store.pending(usize::MAX).await.expect("it can be read");
    pending
        .iter()
        .map(|command| format!("{}.{} {}", command.position, command.index, command.body.get()))
        .collect()
}

fn gift(position: u64, account: &str, amount: i64) -> String {
    format!(r#"{position}.0 {{"account":"{account}","amount":{amount}}}"#)
}

/// The deposits in the log, in order.
async fn deposits(log: &FaultyLog) -> Vec<(String, i64)> {
    let head = log.inner.head().await.expect("a head").position;
    let events = log
        .inner
        .read(callboard::Position::START, head.get() as usize)
        .await
        .expect("a read")
        .events;
    let decoded = events
        .iter()
        .map(|event| event.decode::<BankEvent>().expect("one of ours").event);
    decoded
        .filter_map(|event| match event {
            BankEvent::Deposited(moved) => Some((moved.account, moved.amount)),
            _ => None,
        })
        .collect()
}
