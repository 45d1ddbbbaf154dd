use callboard::spec::Spec;
use jiff::civil::{Date, date};

use super::{CycleSystem, SystemCycled};
use crate::Finance;

fn cycle(new_date: Date) -> CycleSystem {
    CycleSystem { new_date }
}

fn cycled(new_date: Date, previous_date: Option<Date>) -> SystemCycled {
    SystemCycled {
        new_date,
        previous_date,
    }
}

#[test]
fn the_first_date_begins_the_calendar() {
    Spec::<Finance>::new()
        .when(cycle(date(2026, 3, 1)))
        .then([cycled(date(2026, 3, 1), None)]);
}

#[test]
fn a_newer_date_is_told_with_the_one_before() {
    Spec::<Finance>::new()
        .given("calendar", [cycled(date(2026, 2, 27), None)])
        .when(cycle(date(2026, 3, 1)))
        .then([cycled(date(2026, 3, 1), Some(date(2026, 2, 27)))]);
}

#[test]
fn the_same_date_and_an_older_one_are_refused() {
    let spec = Spec::<Finance>::new().given("calendar", [cycled(date(2026, 3, 1), None)]);
    spec.when(cycle(date(2026, 3, 1))).then_refused("date-already-cycled");
    spec.when(cycle(date(2026, 2, 28))).then_refused("date-already-cycled");
}
