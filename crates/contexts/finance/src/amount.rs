//! Amounts of money: exact decimals with at most 14 digits before the point and 4 after it.
//!
//! They travel as strings such as `"12.50"`, never as numbers, which readers turn into floats. One
//! amount is written in one way: with two decimals, more only where they count.

use std::fmt;
use std::str::FromStr;

use callboard::Refusal;
use serde::{Deserialize, Deserializer, Serialize};

use crate::text;

/// How many decimals an amount may have.
pub const DECIMALS: usize = 4;

/// The units (ten-thousandths) of the largest amount.
const MAX: i64 = 999_999_999_999_999_999;
const UNITS_PER_ONE: i64 = 10_000;

/// An amount to move or to value by: more than 0, at most 99999999999999.9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub struct Amount(i64);

/// What no amount looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a positive decimal as a string such as \"12.50\", with at most 14 digits before the point and at most 4 after it"
)]
pub struct InvalidAmount;

impl Amount {
    /// The largest amount.
    pub const MAX: Self = Self(MAX);

    /// The amount of so many ten-thousandths; `None` unless it is an amount.
    pub fn from_units(units: i64) -> Option<Self> {
        (1..=MAX).contains(&units).then_some(Self(units))
    }

    /// How many ten-thousandths it is.
    pub fn units(self) -> i64 {
        self.0
    }
}

impl FromStr for Amount {
    type Err = InvalidAmount;

    fn from_str(text: &str) -> Result<Self, InvalidAmount> {
        parse(text).and_then(Self::from_units).ok_or(InvalidAmount)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::read(deserializer, InvalidAmount)
    }
}

impl From<Amount> for String {
    fn from(amount: Amount) -> Self {
        amount.to_string()
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.0.into())
    }
}

/// What is there: 0 to 99999999999999.9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(into = "String")]
pub struct Balance(i64);

/// What no balance looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "0 or a positive decimal as a string such as \"12.50\", with at most 14 digits before the point and at most 4 after it"
)]
pub struct InvalidBalance;

impl Balance {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest balance.
    pub const MAX: Self = Self(MAX);

    /// So much more; `None` beyond [`Balance::MAX`].
    pub fn plus(self, amount: Amount) -> Option<Self> {
        Some(self.0 + amount.0).filter(|units| *units <= MAX).map(Self)
    }

    /// So much less; `None` when there isn't enough.
    pub fn minus(self, amount: Amount) -> Option<Self> {
        (amount.0 <= self.0).then(|| Self(self.0 - amount.0))
    }

    /// All of it as an amount; `None` for 0.
    pub fn all(self) -> Option<Amount> {
        Amount::from_units(self.0)
    }

    /// How many ten-thousandths it is.
    pub fn units(self) -> i64 {
        self.0
    }
}

impl From<Amount> for Balance {
    fn from(amount: Amount) -> Self {
        Self(amount.0)
    }
}

impl FromStr for Balance {
    type Err = InvalidBalance;

    fn from_str(text: &str) -> Result<Self, InvalidBalance> {
        parse(text).map(Self).ok_or(InvalidBalance)
    }
}

impl<'de> Deserialize<'de> for Balance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::read(deserializer, InvalidBalance)
    }
}

impl From<Balance> for String {
    fn from(balance: Balance) -> Self {
        balance.to_string()
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.0.into())
    }
}

/// A sum of any number of balances or amounts, for comparing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Total(i128);

impl Total {
    /// The total as an amount; `None` for 0 and beyond [`Amount::MAX`].
    pub fn amount(self) -> Option<Amount> {
        i64::try_from(self.0).ok().and_then(Amount::from_units)
    }

    /// As much of it as `limit` allows; `None` for 0.
    pub fn at_most(self, limit: Amount) -> Option<Amount> {
        i64::try_from(self.0.min(limit.0.into()))
            .ok()
            .and_then(Amount::from_units)
    }

    /// So much less; below 0 when there wasn't enough.
    #[must_use]
    pub fn less(self, amount: Amount) -> Self {
        Self(self.0 - i128::from(amount.0))
    }
}

impl<T: Into<Balance>> FromIterator<T> for Total {
    fn from_iter<I: IntoIterator<Item = T>>(parts: I) -> Self {
        Self(parts.into_iter().map(|part| i128::from(part.into().0)).sum())
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.0)
    }
}

/// The refusal of a sum beyond [`Balance::MAX`], naming whose it would be.
pub(crate) fn overflow(whose: fmt::Arguments<'_>) -> Refusal {
    let detail = format!("{whose} would have more than {}.", Balance::MAX);
    Refusal::rule("balance-overflow", detail)
}

/// The units of digits with an optional point and decimals; no sign, no exponent, no leading zero.
fn parse(text: &str) -> Option<i64> {
    let (whole, decimals) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    let lengths = (1..=14).contains(&whole.len()) && decimals.len() <= DECIMALS;
    if !lengths || leading_zero || !digits(whole) || !digits(decimals) {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let decimals: i64 = format!("{decimals:0<DECIMALS$}").parse().ok()?;
    Some(whole * UNITS_PER_ONE + decimals)
}

fn write(f: &mut fmt::Formatter<'_>, units: i128) -> fmt::Result {
    let per_one = i128::from(UNITS_PER_ONE);
    let decimals = format!("{:0DECIMALS$}", units % per_one);
    let (cents, rest) = decimals.split_at(2);
    write!(f, "{}.{cents}{}", units / per_one, rest.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_written_in_one_way() {
        let ways = [
            ("12.50", "12.50"),
            ("12.5", "12.50"),
            ("12.5000", "12.50"),
            ("12", "12.00"),
            ("0.01", "0.01"),
            ("0.0001", "0.0001"),
            ("12.345", "12.345"),
            ("99999999999999.9999", "99999999999999.9999"),
        ];
        for (read, written) in ways {
            assert_eq!(read.parse::<Amount>().expect(read).to_string(), written);
            assert_eq!(read.parse::<Balance>().expect(read).to_string(), written);
        }
    }

    #[test]
    fn what_is_no_decimal_of_at_most_14_and_4_digits_is_refused() {
        let invalid = [
            "",
            " ",
            "-1",
            "+1",
            "-0",
            "1.",
            ".5",
            ".",
            "1e3",
            "1,000",
            "1_000",
            "0x1",
            "01",
            "00",
            "0012.50",
            " 1",
            "1 ",
            "1.23456",
            "1.00000",
            "100000000000000",
            "123456789012345678",
            "1234567890123456789",
            "١",
            "NaN",
            "inf",
            "1.2.3",
            "1\0",
            "12.50 EUR",
        ];
        for text in invalid {
            assert_eq!(text.parse::<Amount>(), Err(InvalidAmount), "{text:?}");
            assert_eq!(text.parse::<Balance>(), Err(InvalidBalance), "{text:?}");
        }
    }

    #[test]
    fn an_amount_is_positive_and_a_balance_may_be_zero() {
        for zero in ["0", "0.00", "0.0000"] {
            assert_eq!(zero.parse::<Amount>(), Err(InvalidAmount));
            assert_eq!(zero.parse::<Balance>(), Ok(Balance::ZERO));
        }
    }

    #[test]
    fn json_numbers_are_refused() {
        for number in ["12.50", "12", "1e2", "null", "true", "[\"1\"]"] {
            serde_json::from_str::<Amount>(number).expect_err(number);
            serde_json::from_str::<Balance>(number).expect_err(number);
        }
        assert_eq!(serde_json::to_string(&Balance::ZERO).expect("JSON"), "\"0.00\"");
    }

    #[test]
    fn sums_and_differences_are_exact_or_none() {
        let one: Amount = "0.0001".parse().expect("an amount");
        assert_eq!(Balance::MAX.plus(one), None);
        assert_eq!(
            Balance::MAX.minus(one).and_then(|less| less.plus(one)),
            Some(Balance::MAX)
        );
        assert_eq!(Balance::ZERO.minus(one), None);
        assert_eq!(Balance::ZERO.all(), None);
        assert_eq!(Balance::from(one).all(), Some(one));
        let total: Total = [Amount::MAX; 100].into_iter().collect();
        assert_eq!(
            (total.amount(), total.to_string().as_str()),
            (None, "9999999999999999.99")
        );
    }
}
