use callboard::ProcessManager;
use callboard::spec::{reactions, recorded};
use jiff::civil::{Date, date};
use serde_json::{Value, json};

use super::{LateFees, Outstanding};
use crate::product::Terms;
use crate::product::samples::{
    DUE, amount, asset, asset_registered, company, cycled, fee, issued, paid, product, revalued, terms,
};
use crate::{Finance, FinanceEvent};

/// The commands for the last of these events; those before call for none but where a date begins.
fn issued_for(events: &[FinanceEvent]) -> Vec<(&'static str, Value)> {
    let events: Vec<_> = events.iter().map(|event| ("any", event.clone())).collect();
    let mut reactions = reactions::<LateFees>(&events);
    reactions.pop().expect("there is an event")
}

fn on(date: Date, number: u128, value: Option<&str>) -> (&'static str, Value) {
    let asset = value.map(|value| json!({ "sender": company(1), "receiver": company(3), "value": value }));
    (
        "IncurLateFee",
        json!({ "product": product(number), "date": date, "asset": asset }),
    )
}

const APRIL_1: Date = date(2026, 4, 1);

#[test]
fn a_product_that_is_past_due_bears_a_fee_each_date() {
    let mut events = vec![asset_registered(1, 1, 3, "500.00"), issued(1, terms())];
    events.push(cycled(DUE));
    assert_eq!(issued_for(&events), [], "the due date itself is not late");
    events.push(cycled(APRIL_1));
    assert_eq!(issued_for(&events), [on(APRIL_1, 1, Some("500.00"))]);
    events.push(fee(1, APRIL_1, "0.50", "0.50", "1000.50"));
    assert_eq!(issued_for(&events), []);
    events.push(cycled(date(2026, 4, 2)));
    assert_eq!(issued_for(&events), [on(date(2026, 4, 2), 1, Some("500.00"))]);
}

#[test]
fn the_fee_is_counted_by_what_the_asset_is_worth_when_the_date_begins() {
    let before = [
        asset_registered(1, 1, 3, "500.00"),
        issued(1, terms()),
        revalued(1, "400.00"),
        cycled(APRIL_1),
    ];
    assert_eq!(issued_for(&before), [on(APRIL_1, 1, Some("400.00"))]);
    let after = [&before[..], &[revalued(1, "1.00"), cycled(date(2026, 4, 2))]].concat();
    assert_eq!(issued_for(&after), [on(date(2026, 4, 2), 1, Some("1.00"))]);
}

#[test]
fn what_is_settled_bears_none_and_what_is_partly_paid_does() {
    let mut events = vec![asset_registered(1, 1, 3, "500.00"), issued(1, terms())];
    events.push(paid(1, "999.00", "999.00", "1.00"));
    events.push(cycled(APRIL_1));
    assert_eq!(issued_for(&events).len(), 1);
    events.push(paid(1, "1.00", "1000.00", "0.00"));
    events.push(cycled(date(2026, 4, 2)));
    assert_eq!(issued_for(&events), []);
    // A fee that was on its way when the last payment came is outstanding, and late.
    events.push(fee(1, APRIL_1, "0.50", "0.50", "0.50"));
    events.push(cycled(date(2026, 4, 3)));
    assert_eq!(issued_for(&events).len(), 1);
}

#[test]
fn what_is_settled_is_forgotten_and_known_again_by_a_fee_that_was_on_its_way() {
    let mut state = Outstanding::default();
    let mut see = |events: &[FinanceEvent]| {
        let events: Vec<_> = events.iter().map(|event| ("any", event.clone())).collect();
        for event in recorded::<Finance>(&events) {
            LateFees::evolve(&mut state, &event);
        }
        (state.products.len(), state.due.len())
    };
    assert_eq!(see(&[asset_registered(1, 1, 3, "500.00")]), (0, 0));
    for number in 1..=100 {
        let partly = [issued(number, terms()), paid(number, "999.00", "999.00", "1.00")];
        assert_eq!(see(&partly), (1, 1));
        assert_eq!(see(&[paid(number, "1.00", "1000.00", "0.00")]), (0, 0));
    }
    assert_eq!(
        see(&[issued(101, terms()), issued(102, terms())]),
        (2, 2),
        "those that are open"
    );
    // Two fees of a settled one: it is late on each date to come, until it is settled again.
    assert_eq!(see(&[fee(1, APRIL_1, "0.50", "0.50", "0.50")]), (3, 3));
    assert_eq!(see(&[fee(1, date(2026, 4, 2), "0.50", "1.00", "1.00")]), (3, 3));
    let past_due = |on| state.past_due(on).collect::<Vec<_>>();
    assert_eq!(past_due(date(2026, 4, 3)), [1, 101, 102].map(product));
    assert_eq!(
        state.asset_of(product(1)).map(|then| then.value),
        Some(amount("500.00"))
    );
    let settled = [("any", paid(1, "1.00", "1001.00", "0.00"))];
    LateFees::evolve(&mut state, &recorded::<Finance>(&settled)[0]);
    assert_eq!((state.products.len(), state.due.len()), (2, 2));
}

#[test]
fn products_come_in_the_order_of_their_due_dates_and_those_due_later_not_at_all() {
    let due = |due_date| Terms { due_date, ..terms() };
    let events = [
        asset_registered(1, 1, 3, "500.00"),
        issued(1, due(date(2026, 3, 20))),
        issued(2, due(date(2026, 4, 1))),
        issued(3, due(date(2026, 3, 10))),
        issued(4, due(date(2026, 3, 20))),
        cycled(APRIL_1),
    ];
    let expected = [3, 1, 4].map(|number| on(APRIL_1, number, Some("500.00")));
    assert_eq!(issued_for(&events), expected);
}

#[test]
fn a_product_without_an_asset_or_with_one_that_is_not_there_is_left_to_its_command() {
    let without = Terms { asset: None, ..terms() };
    let unknown = Terms {
        asset: Some(asset(9)),
        ..terms()
    };
    let events = [issued(1, without), issued(2, unknown), cycled(APRIL_1)];
    assert_eq!(issued_for(&events), [on(APRIL_1, 1, None), on(APRIL_1, 2, None)]);
}

#[test]
fn nothing_but_a_date_calls_for_fees() {
    let events = [
        asset_registered(1, 1, 3, "500.00"),
        issued(
            1,
            Terms {
                due_date: date(2020, 1, 1),
                ..terms()
            },
        ),
        revalued(1, "1.00"),
        paid(1, "1.00", "1.00", "999.00"),
    ];
    for upto in 1..=events.len() {
        assert_eq!(issued_for(&events[..upto]), []);
    }
}
