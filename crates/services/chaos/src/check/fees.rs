//! Dates and late fees: each date began once, and on each every product that was past due bore one fee.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use callboard::Recorded;
use finance::FinanceEvent;
use finance::amount::Balance;
use finance::ids::{AssetId, ProductId};
use jiff::civil::Date;
use uuid::Uuid;

use super::Findings;
use super::log::shown;

type Event = Recorded<FinanceEvent>;

/// Whether a service makes it by itself.
pub fn is_own(event: &FinanceEvent) -> bool {
    matches!(event, FinanceEvent::SystemCycled(_) | FinanceEvent::LateFeeIncurred(_))
}

/// The late fees in a log.
pub fn fees(events: &[Event]) -> impl Iterator<Item = &Event> {
    events
        .iter()
        .filter(|event| matches!(event.event, FinanceEvent::LateFeeIncurred(_)))
}

/// Tells which fees were lost and doubled, and which dates and fees came in another order.
pub fn check(events: &[Event], findings: &mut Findings) {
    let mut newest = None;
    for event in events {
        let FinanceEvent::SystemCycled(cycled) = &event.event else {
            continue;
        };
        if newest >= Some(cycled.new_date) || cycled.previous_date != newest {
            findings
                .disordered
                .push(format!("a date after {newest:?}: {}", shown(event)));
        }
        newest = Some(cycled.new_date);
    }
    let expected = expected(events);
    let called_for: HashSet<_> = expected.iter().copied().collect();
    let (mut borne, mut order) = (HashSet::new(), Vec::new());
    for event in fees(events) {
        let FinanceEvent::LateFeeIncurred(fee) = &event.event else {
            continue;
        };
        let fee = (event.metadata.causation_id.unwrap_or_default(), fee.product);
        if !called_for.contains(&fee) || !borne.insert(fee) {
            findings.doubled.push(format!("nothing calls for {}", shown(event)));
        } else {
            order.push(fee);
        }
    }
    let in_order: Vec<_> = expected.iter().copied().filter(|fee| borne.contains(fee)).collect();
    if let Some((is, should)) = order.iter().zip(&in_order).find(|(is, should)| is != should) {
        findings
            .disordered
            .push(format!("the fee {is:?} comes before {should:?}"));
    }
    for (date, product) in expected.iter().filter(|fee| !borne.contains(fee)) {
        findings
            .lost
            .push(format!("{product} bears no late fee for the date of {date}"));
    }
}

/// A product as a date finds it.
struct Owed {
    due: Date,
    asset: Option<AssetId>,
    outstanding: Balance,
}

/// Each fee that is called for, by the event that calls for it, in order.
fn expected(events: &[Event]) -> Vec<(Uuid, ProductId)> {
    let (mut products, mut assets) = (BTreeMap::<ProductId, Owed>::new(), HashSet::new());
    let mut expected = Vec::new();
    for event in events {
        let mut owes = |product: ProductId, outstanding: Balance| {
            if let Some(owed) = products.get_mut(&product) {
                owed.outstanding = outstanding;
            }
        };
        match &event.event {
            FinanceEvent::AssetRegistered(registered) => {
                assets.insert(registered.asset);
            }
            FinanceEvent::ProductIssued(issued) => {
                let owed = Owed {
                    due: issued.terms.due_date,
                    asset: issued.terms.asset,
                    outstanding: issued.terms.amount.into(),
                };
                products.insert(issued.product, owed);
            }
            FinanceEvent::PaymentRecorded(paid) => owes(paid.product, paid.outstanding),
            FinanceEvent::LateFeeIncurred(fee) => owes(fee.product, fee.outstanding),
            FinanceEvent::SystemCycled(cycled) => {
                let late = products.iter().filter(|(_, owed)| {
                    let counted = owed.asset.is_some_and(|asset| assets.contains(&asset));
                    counted && owed.due < cycled.new_date && owed.outstanding != Balance::ZERO
                });
                let late: BTreeSet<_> = late.map(|(product, owed)| (owed.due, *product)).collect();
                expected.extend(late.into_iter().map(|(_, product)| (event.id, product)));
            }
            _ => {}
        }
    }
    expected
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use callboard::{Metadata, StreamName};
    use serde_json::{Value, json};

    use super::super::sample::{self, id};
    use super::*;

    fn event(position: u64, name: &str, data: &Value, cause: Option<u64>) -> Event {
        let metadata = Metadata {
            causation_id: cause.map(id),
            ..Metadata::default()
        };
        sample::event(StreamName::of("thing", 1), position, name, data, metadata)
    }

    fn cycled(position: u64, date: &str, previous: Option<&str>) -> Event {
        let data = json!({ "new_date": date, "previous_date": previous });
        event(position, "SystemCycled", &data, None)
    }

    fn issued(position: u64, product: u64) -> Event {
        let data = json!({
            "product": Uuid::from_u64_pair(5, product), "amount": "10.00", "due_date": "2026-03-01",
            "daily_late_fee_rate": "0.001", "payer_role": "seller", "deal": null,
            "companies": [{ "company": Uuid::from_u64_pair(2, 1), "role": "seller" }],
            "asset": Uuid::from_u64_pair(3, 1),
        });
        event(position, "ProductIssued", &data, None)
    }

    fn fee(position: u64, product: u64, cause: u64) -> Event {
        let data = json!({
            "product": Uuid::from_u64_pair(5, product), "date": "2026-03-02", "amount": "0.10",
            "payer": Uuid::from_u64_pair(2, 1), "asset": Uuid::from_u64_pair(3, 1), "asset_value": "100.00",
            "daily_late_fee_rate": "0.001", "fees": "0.10", "outstanding": "10.10",
        });
        event(position, "LateFeeIncurred", &data, Some(cause))
    }

    fn paid(position: u64, product: u64) -> Event {
        let data = json!({
            "product": Uuid::from_u64_pair(5, product), "amount": "10.10", "paid": "10.10", "outstanding": "0.00",
        });
        event(position, "PaymentRecorded", &data, None)
    }

    /// Two products are late on March 2, one of them on March 3.
    fn events() -> Vec<Event> {
        let company = Uuid::from_u64_pair(2, 1);
        let asset = json!({
            "asset": Uuid::from_u64_pair(3, 1), "sender": company, "receiver": company, "value": "100.00",
            "balance": "0.00",
        });
        vec![
            event(1, "AssetRegistered", &asset, None),
            issued(2, 1),
            issued(3, 2),
            cycled(4, "2026-03-01", None),
            cycled(5, "2026-03-02", Some("2026-03-01")),
            fee(6, 1, 5),
            fee(7, 2, 5),
            paid(8, 2),
            cycled(9, "2026-03-03", Some("2026-03-02")),
            fee(10, 1, 9),
        ]
    }

    fn found(change: fn(&mut Vec<Event>)) -> [usize; 3] {
        let (mut events, mut findings) = (events(), Findings::default());
        change(&mut events);
        check(&events, &mut findings);
        [findings.lost.len(), findings.doubled.len(), findings.disordered.len()]
    }

    #[test]
    fn fees_that_are_lost_doubled_and_out_of_order_are_found() {
        assert_eq!(found(|_| {}), [0, 0, 0]);
        assert_eq!(found(|events| events.truncate(9)), [1, 0, 0]);
        assert_eq!(found(|events| events.push(fee(11, 1, 9))), [0, 1, 0]);
        assert_eq!(found(|events| events.push(fee(11, 2, 9))), [0, 1, 0], "it was paid");
        assert_eq!(
            found(|events| events.push(fee(11, 1, 4))),
            [0, 1, 0],
            "it was not due yet"
        );
        assert_eq!(found(|events| events.swap(5, 6)), [0, 0, 1]);
    }

    #[test]
    fn a_date_that_began_twice_is_found() {
        assert_eq!(
            found(|events| events.insert(4, cycled(11, "2026-03-01", Some("2026-03-01")))),
            [0, 0, 1]
        );
    }
}
