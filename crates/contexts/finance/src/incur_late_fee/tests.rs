use callboard::spec::Spec;
use jiff::civil::date;

use super::{AssetThen, IncurLateFee};
use crate::product::Terms;
use crate::product::samples::{amount, company, fee, issued, paid, parties, product, stream, terms};
use crate::{Finance, FinanceEvent};

/// Asset 1 between these companies, worth so much.
fn then(sender: u128, receiver: u128, value: &str) -> Option<AssetThen> {
    Some(AssetThen {
        sender: company(sender),
        receiver: company(receiver),
        value: amount(value),
    })
}

fn incur(day: i8, asset: Option<AssetThen>) -> IncurLateFee {
    IncurLateFee {
        product: product(1),
        date: date(2026, 4, day),
        asset,
    }
}

fn with(terms: Terms) -> Spec<Finance> {
    Spec::new().given(&stream(1), [issued(1, terms)])
}

fn detail(spec: &Spec<Finance>, command: IncurLateFee) -> String {
    spec.when(command).result().expect_err("a refusal").to_string()
}

#[test]
fn a_fee_is_the_assets_value_times_the_daily_rate_and_is_outstanding() {
    with(terms())
        .when(incur(1, then(1, 3, "500.00")))
        .then([fee(1, date(2026, 4, 1), "0.50", "0.50", "1000.50")]);
}

#[test]
fn a_fee_is_rounded_half_to_even_to_four_decimals() {
    for (value, rounded, outstanding) in [
        ("0.15", "0.0002", "1000.0002"),
        ("0.2499", "0.0002", "1000.0002"),
        ("0.25", "0.0002", "1000.0002"),
        ("0.2501", "0.0003", "1000.0003"),
        ("1234.5678", "1.2346", "1001.2346"),
    ] {
        let FinanceEvent::LateFeeIncurred(mut expected) = fee(1, date(2026, 4, 1), rounded, rounded, outstanding)
        else {
            unreachable!("it is a fee");
        };
        expected.asset_value = amount(value);
        with(terms()).when(incur(1, then(1, 3, value))).then([expected]);
    }
    with(terms())
        .when(incur(1, then(1, 3, "0.05")))
        .then_refused("late-fee-too-small");
}

#[test]
fn each_date_bears_one_fee_in_whatever_order_they_come() {
    let spec = with(terms()).given(
        &stream(1),
        [
            fee(1, date(2026, 4, 1), "0.50", "0.50", "1000.50"),
            fee(1, date(2026, 4, 3), "0.50", "1.00", "1001.00"),
        ],
    );
    for day in [1, 3] {
        spec.when(incur(day, then(1, 3, "500.00")))
            .then_refused("late-fee-already-incurred");
    }
    spec.when(incur(2, then(1, 3, "500.00")))
        .then([fee(1, date(2026, 4, 2), "0.50", "1.50", "1001.50")]);
}

#[test]
fn a_fee_on_its_way_is_owed_also_when_the_product_was_paid_since() {
    let settled: [FinanceEvent; 1] = [paid(1, "1000.00", "1000.00", "0.00")];
    with(terms())
        .given(&stream(1), settled)
        .when(incur(1, then(1, 3, "500.00")))
        .then([fee(1, date(2026, 4, 1), "0.50", "0.50", "0.50")]);
}

#[test]
fn the_payer_has_the_payers_role_and_is_the_assets_sender_or_receiver() {
    let sellers = || Terms {
        companies: parties(&[(2, "buyer"), (3, "seller"), (1, "seller")]),
        ..terms()
    };
    let payer = |sender, receiver| {
        let outcome = with(sellers()).when(incur(1, then(sender, receiver, "500.00")));
        outcome.result().map(|receipt| receipt.events.len()).ok()
    };
    // The buyer never pays, nor does a seller that has nothing to do with the asset.
    assert_eq!(payer(2, 4), None);
    assert_eq!(payer(4, 5), None);
    // As the sender and as the receiver; of two, the one that is named first.
    with(sellers())
        .when(incur(1, then(1, 2, "500.00")))
        .then([fee(1, date(2026, 4, 1), "0.50", "0.50", "1000.50")]);
    with(sellers())
        .when(incur(1, then(2, 1, "500.00")))
        .then([fee(1, date(2026, 4, 1), "0.50", "0.50", "1000.50")]);
    let FinanceEvent::LateFeeIncurred(mut of_three) = fee(1, date(2026, 4, 1), "0.50", "0.50", "1000.50") else {
        unreachable!("it is a fee");
    };
    of_three.payer = company(3);
    with(sellers()).when(incur(1, then(1, 3, "500.00"))).then([of_three]);
}

#[test]
fn a_product_that_bears_no_fee_is_named_with_the_reason() {
    let named = product(1).to_string();
    let without = Terms { asset: None, ..terms() };
    let skipped = detail(&with(without.clone()), incur(1, None));
    assert!(
        skipped.contains(&named) && skipped.contains("has no asset"),
        "{skipped}"
    );
    with(without)
        .when(incur(1, None))
        .then_refused("late-fee-without-asset");
    let skipped = detail(&with(terms()), incur(1, None));
    assert!(
        skipped.contains(&named) && skipped.contains("there is no asset"),
        "{skipped}"
    );
    let skipped = detail(&with(terms()), incur(1, then(2, 3, "500.00")));
    assert!(skipped.contains(&named) && skipped.contains("seller"), "{skipped}");
    with(terms())
        .when(incur(1, then(2, 3, "500.00")))
        .then_refused("late-fee-without-payer");
}

#[test]
fn a_fee_beyond_any_balance_is_refused() {
    let huge = Terms {
        daily_late_fee_rate: "1".parse().expect("a rate"),
        ..terms()
    };
    with(huge)
        .when(incur(1, then(1, 3, "99999999999999.9999")))
        .then_refused("late-fee-too-large");
    // Paid since, nothing but the fee would be outstanding; what was ever charged is too much all the same.
    let at_most = Terms {
        daily_late_fee_rate: "1".parse().expect("a rate"),
        ..terms()
    };
    with(at_most)
        .given(&stream(1), [paid(1, "1000.00", "1000.00", "0.00")])
        .when(incur(1, then(1, 3, "99999999999999.9999")))
        .then_refused("late-fee-too-large");
}

#[test]
fn a_product_must_be_there() {
    Spec::<Finance>::new()
        .when(incur(1, then(1, 3, "500.00")))
        .then_refused("product-not-found");
}
