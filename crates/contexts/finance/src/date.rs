//! Calendar dates as clients write them.

use std::str::FromStr;

use jiff::civil::Date;
use serde::de::Deserializer;

use crate::text;

/// A date in one form: `2026-03-31`. The library's own takes a time behind it, too, and drops it.
pub(crate) fn strict<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Date, D::Error> {
    text::read(deserializer, InvalidDate).map(|Strict(date)| date)
}

struct Strict(Date);

/// What no date looks like.
#[derive(Debug, thiserror::Error)]
#[error("a date such as \"2026-03-31\"")]
struct InvalidDate;

impl FromStr for Strict {
    type Err = InvalidDate;

    fn from_str(text: &str) -> Result<Self, InvalidDate> {
        let date: Option<Date> = text.parse().ok();
        let written = date.filter(|date| date.to_string() == text && date.year() >= 1);
        written.map(Self).ok_or(InvalidDate)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::strict;

    #[test]
    fn a_date_has_one_form() {
        let read = |value: Value| strict(value).map(|date| date.to_string());
        for valid in ["2026-03-31", "2024-02-29", "0001-01-01", "9999-12-31"] {
            assert_eq!(read(valid.into()).expect(valid), valid);
        }
        for invalid in [
            "",
            "2026-02-29",
            "2026-3-1",
            "20260331",
            "2026-03-31T00:00:00",
            "2026-03-31T00:00:00Z",
            " 2026-03-31",
            "31.03.2026",
            "0000-01-01",
            "-000001-01-01",
            "10000-01-01",
            "2026-W14-2",
            "2026-090",
            "2026-03-31[u-ca=hebrew]",
            "2026-03-31[Europe/Vienna]",
            "٢٠٢٦-٠٣-٣١",
        ] {
            let error = read(invalid.into()).expect_err(invalid).to_string();
            assert!(error.contains("2026-03-31"), "{error}");
        }
        for no_text in [json!(20260331), json!(null), json!(["2026-03-31"]), json!({})] {
            let error = read(no_text.clone()).expect_err("no text").to_string();
            assert!(error.contains("2026-03-31"), "{no_text}: {error}");
        }
    }
}
