use callboard::spec::Spec;

use super::RegisterCompany;
use crate::Finance;
use crate::event::samples::{company, on, registered};

fn register(number: u128) -> RegisterCompany {
    RegisterCompany {
        company: company(number),
        name: "Acme".parse().expect("a name"),
    }
}

#[test]
fn a_company_is_registered() {
    let outcome = Spec::<Finance>::new().when(register(1)).result().expect("a receipt");
    assert_eq!(outcome.id, Some(company(1).into()));
    Spec::<Finance>::new().when(register(1)).then([registered(1)]);
}

#[test]
fn an_id_is_registered_once() {
    Spec::<Finance>::new()
        .given(&on("company", 1), [registered(1)])
        .when(register(1))
        .then_refused("company-already-registered");
}

#[test]
fn two_companies_may_have_the_same_name() {
    Spec::<Finance>::new()
        .given(&on("company", 1), [registered(1)])
        .when(register(2))
        .then([registered(2)]);
}
