use callboard::spec::Spec;

use super::RecordPayment;
use crate::Finance;
use crate::product::samples::{DUE, amount, fee, issued, paid, product, stream, terms};

fn pay(how_much: &str) -> RecordPayment {
    RecordPayment {
        product: product(1),
        amount: amount(how_much),
    }
}

fn with_product() -> Spec<Finance> {
    Spec::new().given(&stream(1), [issued(1, terms())])
}

#[test]
fn a_payment_lessens_what_is_outstanding() {
    with_product()
        .when(pay("400.00"))
        .then([paid(1, "400.00", "400.00", "600.00")]);
}

#[test]
fn all_that_is_outstanding_may_be_paid_and_nothing_more() {
    let spec = with_product().given(&stream(1), [paid(1, "400.00", "400.00", "600.00")]);
    spec.when(pay("600.00")).then([paid(1, "600.00", "1000.00", "0.00")]);
    let error = spec.when(pay("600.0001")).result().expect_err("a refusal").to_string();
    assert_eq!(error, "The payment of 600.0001 exceeds the 600.00 that is outstanding.");
    spec.when(pay("600.0001")).then_refused("payment-exceeds-outstanding");
}

#[test]
fn what_is_settled_takes_no_payment() {
    with_product()
        .given(&stream(1), [paid(1, "1000.00", "1000.00", "0.00")])
        .when(pay("0.0001"))
        .then_refused("payment-exceeds-outstanding");
}

#[test]
fn late_fees_are_outstanding_too() {
    with_product()
        .given(&stream(1), [fee(1, DUE, "0.50", "0.50", "1000.50")])
        .when(pay("1000.50"))
        .then([paid(1, "1000.50", "1000.50", "0.00")]);
}

#[test]
fn a_payment_for_no_product_is_refused() {
    Spec::<Finance>::new()
        .when(pay("1.00"))
        .then_refused("product-not-found");
}
