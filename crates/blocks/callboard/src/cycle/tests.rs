use jiff::Timestamp;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;

use super::{MissedDays, due};

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("a time zone")
}

fn at(time: &str) -> Timestamp {
    time.parse().expect("a time")
}

/// What is due in this zone at this time.
fn dates(name: &str, newest: Option<Date>, now: &str) -> Vec<Date> {
    due(&zone(name), newest, at(now), MissedDays::Each)
}

#[test]
fn the_first_start_ever_cycles_today_alone() {
    for missed in [MissedDays::Each, MissedDays::Newest] {
        let dates = due(&TimeZone::UTC, None, at("2026-03-01T12:00:00Z"), missed);
        assert_eq!(dates, [date(2026, 3, 1)]);
    }
}

#[test]
fn today_is_due_from_its_first_to_its_last_moment_in_the_zone() {
    let newest = Some(date(2026, 2, 28));
    assert_eq!(dates("UTC", newest, "2026-02-28T23:59:59.999999999Z"), []);
    assert_eq!(dates("UTC", newest, "2026-03-01T00:00:00Z"), [date(2026, 3, 1)]);
    assert_eq!(dates("Asia/Tokyo", newest, "2026-02-28T14:59:59Z"), []);
    assert_eq!(dates("Asia/Tokyo", newest, "2026-02-28T15:00:00Z"), [date(2026, 3, 1)]);
    assert_eq!(dates("America/New_York", newest, "2026-03-01T04:59:59Z"), []);
    assert_eq!(
        dates("America/New_York", newest, "2026-03-01T05:00:00Z"),
        [date(2026, 3, 1)]
    );
}

#[test]
fn nothing_is_due_when_today_was_cycled_or_the_clock_went_back() {
    assert_eq!(dates("UTC", Some(date(2026, 3, 1)), "2026-03-01T12:00:00Z"), []);
    assert_eq!(dates("UTC", Some(date(2026, 3, 2)), "2026-03-01T12:00:00Z"), []);
    assert_eq!(dates("UTC", Some(date(2026, 3, 2)), "1970-01-01T00:00:00Z"), []);
}

#[test]
fn after_a_year_each_missed_date_is_due_in_order_or_the_newest_alone() {
    let (newest, now) = (Some(date(2023, 2, 27)), "2024-03-01T12:00:00Z");
    let each = dates("Europe/Vienna", newest, now);
    assert_eq!(each.len(), 368, "a leap year's dates, and two more");
    assert_eq!((each[0], each[367]), (date(2023, 2, 28), date(2024, 3, 1)));
    assert!(each.contains(&date(2024, 2, 29)));
    assert!(
        each.windows(2).all(|pair| pair[0].tomorrow().ok() == Some(pair[1])),
        "no date is left out, none is there twice"
    );
    let newest = due(&zone("Europe/Vienna"), newest, at(now), MissedDays::Newest);
    assert_eq!(newest, [date(2024, 3, 1)]);
}

#[test]
fn a_day_of_23_or_25_hours_is_one_date() {
    // In Vienna the clocks went forward on March 29, 2026 and back on October 25.
    for (day, hours) in [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)] {
        let begins = day.to_zoned(zone("Europe/Vienna")).expect("a moment").timestamp();
        let mut newest = day.yesterday().ok();
        let mut cycled = Vec::new();
        for hour in 0..hours {
            let now = begins + jiff::Span::new().hours(hour);
            let due = due(&zone("Europe/Vienna"), newest, now, MissedDays::Each);
            newest = due.last().copied().or(newest);
            cycled.extend(due);
        }
        assert_eq!(cycled, [day]);
        let next = begins + jiff::Span::new().hours(hours);
        assert_eq!(
            due(&zone("Europe/Vienna"), newest, next, MissedDays::Each),
            [day.tomorrow().expect("a next day")]
        );
    }
}

#[test]
fn a_date_without_midnight_is_due_from_its_first_moment() {
    // In São Paulo, November 4, 2018 began at 01:00.
    let newest = Some(date(2018, 11, 3));
    assert_eq!(dates("America/Sao_Paulo", newest, "2018-11-04T02:59:59Z"), []);
    assert_eq!(
        dates("America/Sao_Paulo", newest, "2018-11-04T03:00:00Z"),
        [date(2018, 11, 4)]
    );
    let missed = dates("America/Sao_Paulo", Some(date(2018, 11, 2)), "2018-11-05T12:00:00Z");
    assert_eq!(missed, [date(2018, 11, 3), date(2018, 11, 4), date(2018, 11, 5)]);
}

#[test]
fn a_midnight_that_comes_twice_makes_no_second_date() {
    // In São Paulo, the last hour of February 17, 2018 came twice.
    let newest = Some(date(2018, 2, 17));
    assert_eq!(dates("America/Sao_Paulo", newest, "2018-02-18T01:59:59Z"), []);
    assert_eq!(dates("America/Sao_Paulo", newest, "2018-02-18T02:30:00Z"), []);
    assert_eq!(
        dates("America/Sao_Paulo", newest, "2018-02-18T03:00:00Z"),
        [date(2018, 2, 18)]
    );
}

#[test]
fn a_date_that_the_zone_skipped_is_not_cycled() {
    // Samoa went from December 29, 2011 straight to December 31.
    let newest = Some(date(2011, 12, 29));
    assert_eq!(dates("Pacific/Apia", newest, "2011-12-30T09:59:59Z"), []);
    assert_eq!(
        dates("Pacific/Apia", newest, "2011-12-30T10:00:00Z"),
        [date(2011, 12, 31)]
    );
    let missed = dates("Pacific/Apia", Some(date(2011, 12, 28)), "2012-01-01T12:00:00Z");
    assert_eq!(
        missed,
        [
            date(2011, 12, 29),
            date(2011, 12, 31),
            date(2012, 1, 1),
            date(2012, 1, 2)
        ]
    );
}

#[test]
fn the_last_date_of_all_ends_the_calendar() {
    let (newest, last) = (Some(date(9999, 12, 29)), "9999-12-30T12:00:00Z");
    assert_eq!(dates("UTC", newest, last), [date(9999, 12, 30)]);
}

#[test]
fn the_zones_come_with_the_program() {
    assert!(!jiff::tz::TimeZoneDatabase::bundled().is_definitively_empty());
}
