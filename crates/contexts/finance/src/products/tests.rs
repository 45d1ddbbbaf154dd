use callboard::spec::rows;
use jiff::civil::date;

use super::Products;
use crate::FinanceEvent;
use crate::product::samples::{balance, fee, issued, paid, product, terms};

/// Fees, payments, what is outstanding and the date of the last fee of product 1.
fn shown(events: &[FinanceEvent]) -> (String, String, String, Option<String>) {
    let events: Vec<_> = events.iter().map(|event| ("any", event.clone())).collect();
    let rows = rows::<Products>(&events);
    let row = &rows[&product(1)];
    (
        row.fees.to_string(),
        row.paid.to_string(),
        row.outstanding.to_string(),
        row.last_late_fee_date.map(|date| date.to_string()),
    )
}

fn is(fees: &str, paid: &str, outstanding: &str, last: Option<&str>) -> (String, String, String, Option<String>) {
    (fees.into(), paid.into(), outstanding.into(), last.map(Into::into))
}

#[test]
fn a_product_is_outstanding_with_its_fees_less_its_payments() {
    let mut events = vec![issued(1, terms())];
    assert_eq!(shown(&events), is("0.00", "0.00", "1000.00", None));
    events.push(fee(1, date(2026, 4, 2), "0.50", "0.50", "1000.50"));
    assert_eq!(shown(&events), is("0.50", "0.00", "1000.50", Some("2026-04-02")));
    events.push(fee(1, date(2026, 4, 1), "0.50", "1.00", "1001.00"));
    assert_eq!(shown(&events), is("1.00", "0.00", "1001.00", Some("2026-04-02")));
    events.push(paid(1, "1001.00", "1001.00", "0.00"));
    assert_eq!(shown(&events), is("1.00", "1001.00", "0.00", Some("2026-04-02")));
}

#[test]
fn a_row_has_the_products_terms() {
    let rows = rows::<Products>(&[("any", issued(1, terms()))]);
    let row = &rows[&product(1)];
    assert_eq!((row.amount, row.due_date), (terms().amount, terms().due_date));
    assert_eq!((&row.companies, row.asset), (&terms().companies, terms().asset));
    assert_eq!(row.outstanding, balance("1000.00"));
}
