use callboard::spec::Spec;

use super::DepositToCompany;
use crate::Finance;
use crate::event::samples::{amount, company, deposited, on, registered};

fn deposit(much: &str) -> DepositToCompany {
    DepositToCompany {
        company: company(1),
        amount: amount(much),
    }
}

#[test]
fn a_deposit_adds_to_what_the_company_has() {
    Spec::<Finance>::new()
        .given(&on("company", 1), [registered(1), deposited(1, "0.10", "0.10")])
        .when(deposit("0.20"))
        .then([deposited(1, "0.20", "0.30")]);
}

#[test]
fn a_company_starts_with_nothing() {
    Spec::<Finance>::new()
        .given(&on("company", 1), [registered(1)])
        .when(deposit("12.50"))
        .then([deposited(1, "12.50", "12.50")]);
}

#[test]
fn an_unknown_company_takes_no_deposit() {
    Spec::<Finance>::new()
        .given(&on("company", 2), [registered(2)])
        .when(deposit("12.50"))
        .then_refused("company-not-found");
}

#[test]
fn a_sum_of_exactly_the_largest_balance_is_taken() {
    let most = "99999999999999.9998";
    Spec::<Finance>::new()
        .given(&on("company", 1), [registered(1), deposited(1, most, most)])
        .when(deposit("0.0001"))
        .then([deposited(1, "0.0001", "99999999999999.9999")]);
}

#[test]
fn a_sum_beyond_the_largest_balance_is_refused() {
    let most = "99999999999999.9999";
    Spec::<Finance>::new()
        .given(&on("company", 1), [registered(1), deposited(1, most, most)])
        .when(deposit("0.0001"))
        .then_refused("balance-overflow");
}
