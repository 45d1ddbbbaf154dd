//! The texts of a ticket, each with its rule.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What a text may not be; says what it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidText(&'static str);

/// Declares a text with its rule.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $rule:literal, $fits:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidText;

            fn from_str(text: &str) -> Result<Self, InvalidText> {
                let fits: fn(&str) -> bool = $fits;
                if fits(text) { Ok(Self(text.into())) } else { Err(InvalidText($rule)) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidText;

            fn try_from(text: String) -> Result<Self, InvalidText> {
                text.parse()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

text!(
    /// What a ticket is about, in one line: 1 to 200 characters, not only blanks.
    Title,
    "a title is 1 to 200 characters in one line, not only blanks",
    |text| has_length(text, 1, 200) && !text.trim().is_empty() && !text.contains(char::is_control)
);

text!(
    /// The whole story of a ticket: up to 10,000 characters, in lines.
    Description,
    "a description is at most 10000 characters, without control characters other than tabs and line ends",
    |text| has_length(text, 0, 10_000) && is_lines(text)
);

text!(
    /// How a ticket was settled: 1 to 1,000 characters, in lines, not only blanks.
    Resolution,
    "a resolution is 1 to 1000 characters, not only blanks, without control characters other than tabs and line ends",
    |text| has_length(text, 1, 1_000) && !text.trim().is_empty() && is_lines(text)
);

text!(
    /// Who is to do a ticket, as actors are named: 1 to 255 visible characters of ASCII.
    Assignee,
    "an assignee is 1 to 255 visible characters of ASCII",
    |text| has_length(text, 1, 255) && text.bytes().all(|byte| byte.is_ascii_graphic())
);

impl Default for Description {
    /// No description: the empty text.
    fn default() -> Self {
        Self("".into())
    }
}

/// Characters as people count them, more or less: Unicode scalar values, not bytes.
fn has_length(text: &str, least: usize, most: usize) -> bool {
    (least..=most).contains(&text.chars().take(most + 1).count())
}

fn is_lines(text: &str) -> bool {
    !text.contains(|character: char| character.is_control() && !matches!(character, '\t' | '\n' | '\r'))
}
