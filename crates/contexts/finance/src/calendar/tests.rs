use callboard::spec::rows;
use jiff::civil::date;

use super::Cycles;
use crate::cycle_system::SystemCycled;

#[test]
fn each_date_is_a_row_with_the_one_before() {
    let cycled = |new_date, previous_date| SystemCycled {
        new_date,
        previous_date,
    };
    let rows = rows::<Cycles>(&[
        ("calendar", cycled(date(2026, 2, 28), None).into()),
        ("calendar", cycled(date(2026, 3, 1), Some(date(2026, 2, 28))).into()),
    ]);
    let shown: Vec<_> = rows.values().map(|row| (row.new_date, row.previous_date)).collect();
    assert_eq!(
        shown,
        [(date(2026, 2, 28), None), (date(2026, 3, 1), Some(date(2026, 2, 28)))]
    );
}
