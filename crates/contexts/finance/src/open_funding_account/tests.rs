use callboard::spec::Spec;

use super::OpenFundingAccount;
use crate::Finance;
use crate::event::samples::{account, closed, company, on, opened, registered};

fn open() -> OpenFundingAccount {
    OpenFundingAccount {
        account: account(5),
        company: company(1),
    }
}

#[test]
fn a_company_opens_an_account() {
    Spec::<Finance>::new()
        .given(&on("company", 1), [registered(1)])
        .when(open())
        .then([opened(5, 1)]);
}

#[test]
fn an_unknown_company_opens_none() {
    Spec::<Finance>::new().when(open()).then_refused("company-not-found");
}

#[test]
fn an_account_is_opened_once_also_after_it_was_closed() {
    let spec = Spec::<Finance>::new()
        .given(&on("company", 1), [registered(1)])
        .given(&on("account", 5), [opened(5, 1)]);
    spec.when(open()).then_refused("account-already-opened");
    let spec = spec.given(&on("account", 5), [closed(5, 1)]);
    spec.when(open()).then_refused("account-already-opened");
}
