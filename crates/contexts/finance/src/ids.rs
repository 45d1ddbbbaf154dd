//! Identifiers: a type for each thing, each a UUID in its hyphenated form.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use crate::text;

/// What no identifier looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is a UUID such as \"3f0c8a4e-6f0f-4f3a-9a53-0d5f0a4a1c01\"")]
pub struct InvalidId;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub struct $name(Uuid);

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                hyphenated(text).map(Self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                text::read(deserializer, InvalidId)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A company's identifier.
    CompanyId
);
id!(
    /// An asset's identifier.
    AssetId
);
id!(
    /// A funding account's identifier.
    AccountId
);
id!(
    /// A deal's identifier.
    DealId
);
id!(
    /// A grant's identifier.
    GrantId
);
id!(
    /// A financial product's identifier.
    ProductId
);

/// Of the forms that a UUID has, one is taken, so that an identifier is written one way.
fn hyphenated(text: &str) -> Result<Uuid, InvalidId> {
    let id = Uuid::try_parse(text).map_err(|_| InvalidId)?;
    if text.len() == 36 { Ok(id) } else { Err(InvalidId) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f0c8a4e-6f0f-4f3a-9a53-0d5f0a4a1c01";

    #[test]
    fn an_id_is_a_hyphenated_uuid() {
        assert_eq!(ID.parse::<CompanyId>().expect("an id").to_string(), ID);
        assert_eq!(ID.to_uppercase().parse::<CompanyId>().expect("an id").to_string(), ID);
        let simple = ID.replace('-', "");
        let (braced, urn, long) = (format!("{{{ID}}}"), format!("urn:uuid:{ID}"), format!("{ID}0"));
        for invalid in [
            "",
            "1",
            &ID[1..],
            &simple,
            &braced,
            &urn,
            &long,
            " ",
            "3f0c8a4e-6f0f-4f3a-9a53-0d5f0a4a1cg1",
        ] {
            assert_eq!(invalid.parse::<CompanyId>(), Err(InvalidId), "{invalid:?}");
        }
    }
}
