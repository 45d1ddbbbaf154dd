//! The writer, on a log in memory behind a connection that fails when told to.

#[path = "../bank/mod.rs"]
mod bank;
mod batches;
mod conditions;
mod followers;
mod keys;
mod neighbours;
mod outcomes;
mod races;
mod reads;
mod shutdown;
#[path = "../support/mod.rs"]
mod support;
mod turns;

use std::time::Duration;

use bank::{Deposit, OpenAccount};
use support::{FaultyLog, Running, run};

/// Whoever can't be served is told so within this.
const TOLD_WITHIN: Duration = Duration::from_secs(3);

/// A writer on a fresh log with the accounts `a` (Ann, 100) and `b` (Bob, 0): three events.
async fn with_accounts() -> (FaultyLog, Running) {
    let log = FaultyLog::new();
    let writer = run(&log).await;
    open_accounts(&writer).await;
    (log, writer)
}

async fn open_accounts(writer: &Running) {
    writer.done(open("a", "Ann")).await;
    writer.done(deposit("a", 100)).await;
    writer.done(open("b", "Bob")).await;
}

fn open(account: &str, owner: &str) -> OpenAccount {
    OpenAccount {
        account: account.into(),
        owner: owner.into(),
    }
}

fn deposit(account: &str, amount: i64) -> Deposit {
    Deposit {
        account: account.into(),
        amount,
    }
}

fn transfer(number: u32, amount: i64) -> bank::Transfer {
    bank::Transfer {
        number,
        from: "a".into(),
        to: "b".into(),
        amount,
    }
}
