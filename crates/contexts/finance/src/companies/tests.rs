use callboard::spec::rows;

use super::Companies;
use crate::event::samples::{amount, balance, company, deposited, grant, on, registered};
use crate::grant_balances::CompanyDrawn;

#[test]
fn every_company_is_shown_with_what_it_has() {
    let drawn = CompanyDrawn {
        company: company(2),
        grant: grant(3),
        amount: amount("0.50"),
        balance: balance("12.00"),
    };
    let rows = rows::<Companies>(&[
        (&on("company", 2), registered(2)),
        (&on("company", 1), registered(1)),
        (&on("company", 2), deposited(2, "12.50", "12.50")),
        (&on("company", 2), drawn.into()),
    ]);
    let shown: Vec<_> = rows.into_values().map(|row| (row.company, row.balance)).collect();
    assert_eq!(shown, [(company(1), balance("0")), (company(2), balance("12.00"))]);
}
