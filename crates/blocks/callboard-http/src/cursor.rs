//! Cursors: where a page ends, opaque to clients.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use callboard::{Page, Projection};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A cursor that stands on `row`. It names the order it belongs to, so that no other list takes it.
pub(crate) fn encode<P: Projection>(page: &Page, row: &P::Row) -> String {
    let mut values = vec![Value::from(page.order_by)];
    values.extend(page.cursor_of::<P>(row));
    URL_SAFE_NO_PAD.encode(Value::from(values).to_string())
}

/// The values of a cursor of this very order, for [`Page::after`].
pub(crate) fn decode<P: Projection>(page: &Page, cursor: &str) -> Option<Vec<Value>> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let mut values: Vec<Value> = serde_json::from_str(&text).ok()?;
    let order = usize::from(page.order_by.is_some());
    if values.len() != 1 + order + P::KEY.len() || values.remove(0) != Value::from(page.order_by) {
        return None;
    }
    let scalar = |value: &Value| match value {
        Value::String(text) => !text.contains('\0'),
        Value::Number(_) | Value::Bool(_) => true,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    };
    let key = match &values[order..] {
        [single] => single.clone(),
        parts => Value::from(parts.to_vec()),
    };
    let fits = values.iter().all(scalar)
        && serde_json::from_value::<P::Key>(key).is_ok()
        && page
            .order_by
            .is_none_or(|column| fits_column::<P::Row>(column, &values[0]));
    fits.then_some(values)
}

/// Whether rows may have this value in this column. A row that has nothing else lacks fields, which is
/// an error of the row as a whole; a value of another type is one of the column.
fn fits_column<R: DeserializeOwned>(column: &str, value: &Value) -> bool {
    let row = Value::from(Map::from_iter([(column.to_owned(), value.clone())]));
    let read: Result<R, _> = serde_path_to_error::deserialize(row);
    read.map_or_else(|error| error.path().iter().next().is_none(), |_| true)
}
