//! The names of a serde struct's fields, without a value of it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// The fields of `T` as serde names them; `None` when `T` is no plain struct (`flatten` makes a map
/// of it).
pub(super) fn fields_of<'de, T: Deserialize<'de>>() -> Option<&'static [&'static str]> {
    T::deserialize(AskFields).err().and_then(|answer| answer.0)
}

/// Refuses everything; asked for a struct, it notes the fields.
struct AskFields;

/// The answer travels as the error.
#[derive(Debug)]
struct Fields(Option<&'static [&'static str]>);

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fields: {:?}", self.0)
    }
}

impl std::error::Error for Fields {}

impl Error for Fields {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(None)
    }
}

impl<'de> Deserializer<'de> for AskFields {
    type Error = Fields;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Fields> {
        Err(Fields(None))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Fields> {
        Err(Fields(Some(fields)))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::fields_of;

    #[derive(serde::Deserialize)]
    #[expect(dead_code, reason = "only its fields' names are read")]
    struct Row {
        sku: String,
        #[serde(rename = "on_hand")]
        quantity: i64,
        note: Option<String>,
    }

    #[test]
    fn a_structs_fields_are_named_as_serde_names_them() {
        assert_eq!(fields_of::<Row>(), Some(["sku", "on_hand", "note"].as_slice()));
    }

    #[test]
    fn what_is_no_struct_has_no_fields() {
        assert_eq!(fields_of::<(String, i64)>(), None);
        assert_eq!(fields_of::<std::collections::BTreeMap<String, i64>>(), None);
    }
}
