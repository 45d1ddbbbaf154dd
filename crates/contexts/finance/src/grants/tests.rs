use callboard::spec::rows;

use super::Grants;
use crate::event::samples::{account, amount, balance, company, from_company, grant, on};
use crate::grant::{Credit, Draw};
use crate::grant_balances::BalancesGranted;

#[test]
fn every_grant_is_shown_with_what_it_took_and_gave() {
    let (draw, credit) = (
        Draw {
            source: from_company(1),
            amount: amount("3"),
            balance: balance("0"),
        },
        Credit {
            company: company(2),
            account: account(5),
            amount: amount("3"),
            balance: balance("3"),
        },
    );
    let granted = BalancesGranted {
        grant: grant(3),
        total: amount("3"),
        draws: vec![draw],
        credits: vec![credit],
    };
    let rows = rows::<Grants>(&[(&on("grant", 3), granted.into())]);
    let row = &rows[&grant(3)];
    assert_eq!(
        (row.total, &*row.draws, &*row.credits),
        (amount("3"), &[draw][..], &[credit][..])
    );
}
