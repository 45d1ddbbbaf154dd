use callboard::spec::rows;

use super::{AccountRow, Accounts};
use crate::account::AccountStatus;
use crate::event::samples::{account, amount, balance, closed, company, grant, on, opened};
use crate::grant_balances::FundingAccountCredited;

#[test]
fn a_closed_account_is_shown_with_what_it_keeps() {
    let credited = FundingAccountCredited {
        account: account(5),
        company: company(1),
        grant: grant(3),
        amount: amount("3"),
        balance: balance("3"),
    };
    let rows = rows::<Accounts>(&[
        (&on("account", 5), opened(5, 1)),
        (&on("account", 6), opened(6, 2)),
        (&on("account", 5), credited.into()),
        (&on("account", 5), closed(5, 1)),
    ]);
    let row = |number, of, status, has| AccountRow {
        account: account(number),
        company: company(of),
        status,
        balance: balance(has),
    };
    let expected = [
        row(5, 1, AccountStatus::Closed, "3.00"),
        row(6, 2, AccountStatus::Active, "0.00"),
    ];
    assert_eq!(rows.into_values().collect::<Vec<_>>(), expected);
}
