//! Rates: exact decimals from just above 0 to 1.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::amount::Amount;
use crate::text;

/// How many decimals a rate may have.
pub const RATE_DECIMALS: usize = 8;

const UNITS_PER_ONE: i64 = 100_000_000;

/// A share of an amount: more than 0, at most 1, with at most 8 decimals; a string such as
/// `"0.0005"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub struct Rate(i64);

/// What no rate looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a decimal as a string such as \"0.0005\", more than 0 and at most 1, with at most 8 digits after the point")]
pub struct InvalidRate;

impl Rate {
    /// Its share of an amount, rounded half to even to the decimals of amounts; `None` when nothing
    /// is left.
    pub fn of(self, amount: Amount) -> Option<Amount> {
        let (exact, one) = (
            i128::from(amount.units()) * i128::from(self.0),
            i128::from(UNITS_PER_ONE),
        );
        let (whole, rest) = (exact / one, exact % one);
        let up = rest * 2 > one || (rest * 2 == one && whole % 2 == 1);
        i64::try_from(whole + i128::from(up)).ok().and_then(Amount::from_units)
    }
}

impl FromStr for Rate {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Self, InvalidRate> {
        parse(text)
            .filter(|units| (1..=UNITS_PER_ONE).contains(units))
            .map(Self)
            .ok_or(InvalidRate)
    }
}

/// The units of `0` or `1` with an optional point and decimals.
fn parse(text: &str) -> Option<i64> {
    let (whole, decimals) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    let valid = matches!(whole, "0" | "1")
        && decimals.len() <= RATE_DECIMALS
        && decimals.bytes().all(|byte| byte.is_ascii_digit());
    let decimals: i64 = format!("{decimals:0<RATE_DECIMALS$}").parse().ok()?;
    valid.then(|| {
        if whole == "1" {
            UNITS_PER_ONE + decimals
        } else {
            decimals
        }
    })
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::read(deserializer, InvalidRate)
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == UNITS_PER_ONE {
            return f.write_str("1");
        }
        let decimals = format!("{:0RATE_DECIMALS$}", self.0);
        write!(f, "0.{}", decimals.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_more_than_0_and_at_most_1() {
        let ways = [
            ("0.0005", "0.0005"),
            ("0.10", "0.1"),
            ("0.00000001", "0.00000001"),
            ("1", "1"),
            ("1.00", "1"),
        ];
        for (read, written) in ways {
            assert_eq!(read.parse::<Rate>().expect(read).to_string(), written);
        }
        let invalid = [
            "",
            "0",
            "0.0",
            "1.00000001",
            "1.1",
            "2",
            "-0.1",
            "+0.1",
            ".1",
            "1.",
            "00.1",
            "1e-3",
            "0.000000001",
            "5%",
            "0,1",
        ];
        for text in invalid {
            assert_eq!(text.parse::<Rate>(), Err(InvalidRate), "{text:?}");
        }
        serde_json::from_str::<Rate>("0.5").expect_err("a number");
    }

    #[test]
    fn a_share_is_exact_and_rounded_half_to_even() {
        let shares = [
            ("10000.00", "0.001", Some("10.00")),
            ("0.0001", "1", Some("0.0001")),
            ("0.0001", "0.5", None),
            ("0.0003", "0.5", Some("0.0002")),
            ("0.0005", "0.5", Some("0.0002")),
            ("0.0001", "0.51", Some("0.0001")),
            ("99999999999999.9999", "1", Some("99999999999999.9999")),
        ];
        for (amount, rate, share) in shares {
            let (amount, rate): (Amount, Rate) = (amount.parse().expect(amount), rate.parse().expect(rate));
            assert_eq!(
                rate.of(amount).map(|share| share.to_string()).as_deref(),
                share,
                "{rate} of {amount}"
            );
        }
    }
}
