//! Strict JSON: what serde lets through, or judges without saying where, is found here first.

use std::collections::HashSet;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_path_to_error::Segment;

use crate::problem::FieldError;

/// How deep objects and arrays may nest: far more than any command needs.
const DEPTH_MAX: usize = 32;

/// Why bytes are not the JSON that was asked for.
#[derive(Debug)]
pub(crate) enum Invalid {
    /// No JSON, or none that can be recorded.
    Json(FieldError),
    /// JSON of another shape.
    Shape(FieldError),
}

/// Reads one JSON object as a `T`. Unknown fields are refused by `T` itself.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Invalid> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let detail = format!("invalid UTF-8 at byte {}", error.valid_up_to());
        Invalid::Json(FieldError {
            pointer: String::new(),
            detail,
        })
    })?;
    inspect(text).map_err(Invalid::Json)?;
    if !text.trim_start().starts_with('{') {
        // serde would take an array of a struct's fields, too.
        let detail = "a JSON object is expected".to_owned();
        return Err(Invalid::Shape(FieldError {
            pointer: String::new(),
            detail,
        }));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| Invalid::Shape(shape_error(&error)))
}

/// Walks over the whole text: syntax, trailing garbage, depth, doubled keys, `\u0000`, numbers
/// beyond any range.
fn inspect(text: &str) -> Result<(), FieldError> {
    let mut pointer = String::new();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let walk = Walk {
        pointer: &mut pointer,
        depth: 0,
    }
    .deserialize(&mut deserializer);
    walk.and_then(|()| deserializer.end()).map_err(|error| {
        let detail = if error.is_data() {
            without_place(&error.to_string())
        } else {
            error.to_string()
        };
        FieldError { pointer, detail }
    })
}

/// One value of the walk. On an error the pointer is left where it happened.
struct Walk<'p> {
    pointer: &'p mut String,
    depth: usize,
}

impl Walk<'_> {
    fn deeper<E: serde::de::Error>(&mut self) -> Result<(), E> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(E::custom(format!("nested deeper than {DEPTH_MAX} levels")));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        no_nul(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut values: A) -> Result<(), A::Error> {
        self.deeper()?;
        let above = self.pointer.len();
        for index in 0_usize.. {
            self.pointer.push_str(&format!("/{index}"));
            if values
                .next_element_seed(Walk {
                    pointer: &mut *self.pointer,
                    depth: self.depth,
                })?
                .is_none()
            {
                break;
            }
            self.pointer.truncate(above);
        }
        self.pointer.truncate(above);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<(), A::Error> {
        self.deeper()?;
        let above = self.pointer.len();
        let mut seen = HashSet::new();
        while let Some(key) = fields.next_key::<String>()? {
            push(self.pointer, &key);
            no_nul(&key)?;
            if seen.contains(&key) {
                return Err(A::Error::custom("given twice"));
            }
            seen.insert(key);
            fields.next_value_seed(Walk {
                pointer: &mut *self.pointer,
                depth: self.depth,
            })?;
            self.pointer.truncate(above);
        }
        Ok(())
    }
}

fn no_nul<E: serde::de::Error>(text: &str) -> Result<(), E> {
    if text.contains('\0') {
        Err(E::custom("the character \\u0000 can't be recorded"))
    } else {
        Ok(())
    }
}

fn push(pointer: &mut String, field: &str) {
    pointer.push('/');
    if field.contains(['~', '/']) {
        pointer.push_str(&field.replace('~', "~0").replace('/', "~1"));
    } else {
        pointer.push_str(field);
    }
}

/// Points at the field itself, where serde points at the object around it.
fn shape_error(error: &serde_path_to_error::Error<serde_json::Error>) -> FieldError {
    let mut pointer = String::new();
    for segment in error.path() {
        match segment {
            Segment::Map { key } => push(&mut pointer, key),
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    let detail = without_place(&error.inner().to_string());
    if let Some(field) = detail
        .strip_prefix("missing field `")
        .and_then(|rest| rest.strip_suffix('`'))
    {
        push(&mut pointer, field);
        return FieldError {
            pointer,
            detail: "missing".into(),
        };
    }
    if let Some(rest) = detail.strip_prefix("unknown field `") {
        // The name is the client's and may hold anything, so serde's own words are sought from behind.
        let end = rest
            .rfind("`, expected ")
            .or_else(|| rest.rfind("`, there are no fields"));
        let field = &rest[..end.unwrap_or(rest.len())];
        let named = matches!(error.path().iter().next_back(), Some(Segment::Map { key }) if key == field);
        if !named {
            push(&mut pointer, field);
        }
        return FieldError {
            pointer,
            detail: "unknown field".into(),
        };
    }
    FieldError { pointer, detail }
}

/// serde_json's message without its line and column, which a pointer says better.
fn without_place(message: &str) -> String {
    message
        .rfind(" at line ")
        .map_or(message, |end| &message[..end])
        .to_owned()
}
