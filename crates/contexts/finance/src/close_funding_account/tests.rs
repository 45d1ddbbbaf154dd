use callboard::spec::Spec;

use super::CloseFundingAccount;
use crate::Finance;
use crate::event::samples::{account, closed, on, opened};

fn close() -> CloseFundingAccount {
    CloseFundingAccount { account: account(5) }
}

#[test]
fn an_active_account_is_closed() {
    Spec::<Finance>::new()
        .given(&on("account", 5), [opened(5, 1)])
        .when(close())
        .then([closed(5, 1)]);
}

#[test]
fn an_account_is_closed_once() {
    Spec::<Finance>::new()
        .given(&on("account", 5), [opened(5, 1), closed(5, 1)])
        .when(close())
        .then_refused("account-closed");
}

#[test]
fn an_unknown_account_is_not_closed() {
    Spec::<Finance>::new().when(close()).then_refused("account-not-found");
}
