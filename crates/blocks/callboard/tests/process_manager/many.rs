//! Events that call for many commands at once.

use std::sync::Arc;

use callboard::memory::MemoryLog;
use callboard::process_manager::{ProcessManagerStore, ProcessManagerSubscriber};
use callboard::subscription::{Lock, Runner};
use callboard::{ProcessManager, Reaction, Recorded};
use tokio::sync::Notify;

use crate::bank::{Bank, BankEvent, Deposit};
use crate::openings;
use crate::store::{Store, Trouble};
use crate::support::put;

/// Answers each account with 4,000 deposits.
struct Generous;

impl ProcessManager for Generous {
    type Log = Bank;
    type State = ();
    const NAME: &'static str = "generous";

    fn evolve((): &mut (), _: &Recorded<BankEvent>) {}

    fn react((): &(), event: &Recorded<BankEvent>) -> Reaction<Bank> {
        let BankEvent::AccountOpened(opened) = &event.event else {
            return Reaction::nothing();
        };
        (0..4_000).fold(Reaction::nothing(), |reaction, amount| {
            reaction.and(&Deposit {
                account: opened.account.clone(),
                amount,
            })
        })
    }
}

async fn begun(
    log: &MemoryLog,
) -> (
    Store,
    Runner<ProcessManagerSubscriber<Generous, Store, MemoryLog>, MemoryLog>,
) {
    let store = Store::default();
    let subscriber = ProcessManagerSubscriber::new(store.clone(), log.clone(), Arc::new(Notify::new()));
    let mut manager = Runner::new(subscriber, log.clone());
    manager.start().await.expect("it starts");
    (store, manager)
}

#[tokio::test]
async fn a_long_catch_up_is_stored_in_parts_of_ten_thousand_commands_or_so() {
    let log = MemoryLog::new();
    let (store, mut manager) = begun(&log).await;
    put(&log, &openings(&["a", "b", "c", "d", "e"])).await;
    manager.catch_up(Lock::Wait).await.expect("it catches up");
    assert_eq!(store.advanced(), [(0, 3), (3, 5)]);
    let pending = store.pending(usize::MAX).await.expect("it can be read");
    let at = |command: &callboard::process_manager::PendingCommand| (command.position.get(), command.index);
    let expected: Vec<_> = (1..=5)
        .flat_map(|position| (0..4_000).map(move |index| (position, index)))
        .collect();
    assert_eq!(pending.iter().map(at).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_part_that_fails_loses_nothing_and_repeats_nothing() {
    let log = MemoryLog::new();
    for trouble in [Trouble::Away, Trouble::AnswerLost, Trouble::Busy] {
        let (store, mut manager) = begun(&log).await;
        let from = store.position().await.get();
        put(&log, &openings(&["a", "b", "c", "d", "e"])).await;
        store.next_advances([Trouble::Fine, trouble]);
        // Whether it says so depends on the trouble; the next look goes on.
        let _ = manager.catch_up(Lock::Skip).await;
        manager.catch_up(Lock::Skip).await.expect("it catches up");
        assert_eq!(
            store.advanced(),
            [(from, from + 3), (from + 3, from + 5)],
            "{trouble:?}"
        );
        let pending = store.pending(usize::MAX).await.expect("it can be read");
        assert_eq!(pending.len(), 20_000, "{trouble:?}");
    }
}
