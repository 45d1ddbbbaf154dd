//! Values that travel as text: whatever else comes in their place, the refusal names the rule.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// Reads a value from its text; `rule` says what is one.
pub(crate) fn read<'de, T, D>(deserializer: D, rule: T::Err) -> Result<T, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    let value = PhantomData;
    deserializer.deserialize_str(Text { rule, value })
}

struct Text<T: FromStr> {
    rule: T::Err,
    value: PhantomData<T>,
}

impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.rule, f)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use crate::amount::{Amount, Balance};
    use crate::company::CompanyName;
    use crate::deal::RatingTier;
    use crate::ids::CompanyId;
    use crate::product::Role;
    use crate::rate::Rate;

    fn refuses<T: DeserializeOwned>(rule: &str) {
        for wrong in ["12.50", "1", "-1", "null", "true", "[]", "{}", "\"\""] {
            let error = serde_json::from_str::<T>(wrong).err().expect(wrong).to_string();
            assert!(error.contains(rule), "{wrong}: {error}");
        }
    }

    #[test]
    fn what_is_no_text_at_all_is_refused_with_the_rule_as_well() {
        refuses::<Amount>("a positive decimal as a string");
        refuses::<Balance>("0 or a positive decimal as a string");
        refuses::<Rate>("more than 0 and at most 1");
        refuses::<CompanyId>("an id is a UUID");
        refuses::<CompanyName>("a name has 1 to 200 characters");
        refuses::<Role>("a role is 1 to 40 of");
        refuses::<RatingTier>("a rating tier is A, B, C or D");
    }
}
