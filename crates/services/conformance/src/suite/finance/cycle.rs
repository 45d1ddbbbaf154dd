//! The daily cycle: each date once and in order, whatever the clock does.

use jiff::civil::Date;
use jiff::{Span, ToSpan};
use serde_json::{Value, json};

use crate::finance::FINANCE;
use crate::support::eventually;
use crate::system::System;
use crate::transcript::Transcript;

/// So many days after a date.
pub(super) fn later(date: Date, days: i64) -> Date {
    date + Span::new().days(days)
}

/// Sets the clock, and waits until the calendar has come to its date; the whole calendar.
pub(super) async fn let_begin(system: &System, date: Date) -> Vec<Value> {
    system.clock.set(date);
    eventually("the calendar comes to the date", async || {
        let rows = system.api.list_of(FINANCE, "/finance/calendar", 0).await;
        let newest = rows.last().map(|row| row["new_date"].clone());
        (newest == Some(json!(date))).then_some(rows)
    })
    .await
}

pub(in crate::suite) async fn cycle(system: &System) -> Transcript {
    let mut answers = Transcript::new();
    let today = system.clock.date();
    let before = let_begin(system, today).await.len();
    // Three days go by, of which nobody noticed two.
    let rows = let_begin(system, today + 3.days()).await;
    for (row, day) in rows[before..].iter().zip(1..) {
        assert_eq!(row["new_date"], json!(later(today, day)));
        assert_eq!(row["previous_date"], json!(later(today, day - 1)));
    }
    assert_eq!(rows.len(), before + 3);
    // The clock goes back, and forward again.
    system.clock.set(today);
    let rows = let_begin(system, today + 4.days()).await;
    assert_eq!(rows.len(), before + 4);
    let events = system.api.events_of(FINANCE, 0).await;
    let cycled = events.iter().filter(|event| event["type"] == "SystemCycled");
    let dates: Vec<_> = cycled.map(|event| event["data"]["new_date"].clone()).collect();
    let shown: Vec<_> = rows.iter().map(|row| row["new_date"].clone()).collect();
    assert_eq!(dates, shown, "each once, and in order");
    answers.found("dates", dates);
    answers
}
