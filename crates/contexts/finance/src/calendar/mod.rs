//! The view `calendar`: every date that began, and when that was.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use callboard::{Projection, Recorded};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::event::{Finance, FinanceEvent};

/// Keeps the view.
#[derive(Debug)]
pub struct Cycles;

/// A date: a row of the table, and an object of the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CycleRow {
    /// Which date.
    pub new_date: Date,
    /// The date that began before it; `None` for the first.
    pub previous_date: Option<Date>,
    /// When the system was told so.
    pub cycled_at: Timestamp,
}

impl Projection for Cycles {
    type Log = Finance;
    type Key = Date;
    type Row = CycleRow;

    const NAME: &'static str = "calendar";
    const VERSION: u32 = 1;
    const TABLE: &'static str = "finance.calendar";
    const KEY: &'static [&'static str] = &["new_date"];
    /// There is one calendar, and it tells of dates alone.
    const KEYED_BY_STREAM: bool = true;

    fn keys(event: &FinanceEvent) -> Vec<Date> {
        match event {
            FinanceEvent::SystemCycled(event) => vec![event.new_date],
            _ => vec![],
        }
    }

    fn fold(new_date: &Date, row: Option<CycleRow>, event: &Recorded<FinanceEvent>) -> Option<CycleRow> {
        match &event.event {
            FinanceEvent::SystemCycled(cycled) => Some(CycleRow {
                new_date: *new_date,
                previous_date: cycled.previous_date,
                cycled_at: event.recorded_at,
            }),
            _ => row,
        }
    }
}
