//! Calendar dates as clients write them.

use jiff::civil::Date;
use serde::de::{Deserialize, Deserializer, Error};

/// A date in one form: `2026-03-31`. The library's own takes a time behind it, too, and drops it.
pub(crate) fn strict<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Date, D::Error> {
    let text = String::deserialize(deserializer)?;
    let date: Option<Date> = text.parse().ok();
    let written = date.filter(|date| date.to_string() == text && date.year() >= 1);
    written.ok_or_else(|| Error::custom("a date such as \"2026-03-31\""))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::strict;

    #[test]
    fn a_date_has_one_form() {
        let read = |text: &str| strict(Value::from(text)).map(|date| date.to_string());
        for valid in ["2026-03-31", "2024-02-29", "0001-01-01", "9999-12-31"] {
            assert_eq!(read(valid).expect(valid), valid);
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
        ] {
            let error = read(invalid).expect_err(invalid).to_string();
            assert!(error.contains("2026-03-31"), "{error}");
        }
    }
}
