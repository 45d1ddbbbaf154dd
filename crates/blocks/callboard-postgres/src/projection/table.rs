//! A projection's table: its columns, and the statements that load and write it.

use std::fmt::Write;

use callboard::Projection;
use callboard::log::Source;
use serde_json::{Map, Value};
use sqlx::PgConnection;

use super::columns::fields_of;

/// A table that doesn't suit its projection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TableError {
    /// The row isn't a struct.
    #[error("the rows of {table} are no plain struct, so their columns can't be named")]
    NoStruct {
        /// The table.
        table: String,
    },
    /// No such table, or no such column: the migration is missing.
    #[error("the table {table} has no column {column}, or there is no such table")]
    NoColumn {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// The key has other parts than the table's key.
    #[error("the key of {table} has {expected} columns, this has {found} parts")]
    Key {
        /// The table.
        table: String,
        /// How many columns.
        expected: usize,
        /// How many parts.
        found: usize,
    },
}

/// A column as the catalog has it.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) type_name: String,
    exact_decimal: bool,
    needs_collation: bool,
}

impl Column {
    /// The column of the table `t`, ordered by bytes if it is text.
    pub(crate) fn ordered(&self) -> String {
        let collate = if self.needs_collation { " collate \"C\"" } else { "" };
        format!("t.{}{collate}", quoted(&self.name))
    }
}

/// A table with the statements for it.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: String,
    key: &'static [&'static str],
    columns: Vec<Column>,
    pub(crate) load: String,
    pub(super) write: String,
    pub(super) write_and_delete: String,
    pub(crate) get: String,
}

impl Table {
    /// Looks the table of `P` up in the catalog.
    pub(crate) async fn look_up<P: Projection>(connection: &mut PgConnection) -> Result<Self, Source> {
        let found: Vec<(String, String, bool, bool)> = sqlx::query_as(include_str!("../../queries/read_columns.sql"))
            .bind(P::TABLE)
            .fetch_all(connection)
            .await?;
        let found = found
            .into_iter()
            .map(|(name, type_name, exact_decimal, needs_collation)| Column {
                name,
                type_name,
                exact_decimal,
                needs_collation,
            });
        let found: Vec<Column> = found.collect();
        let fields = fields_of::<P::Row>().ok_or_else(|| TableError::NoStruct { table: P::TABLE.into() })?;
        let columns = fields
            .iter()
            .map(|field| column(P::TABLE, &found, field).cloned())
            .collect::<Result<Vec<_>, _>>()?;
        for part in P::KEY {
            column(P::TABLE, &columns, part)?;
        }
        Ok(Self::new(P::TABLE.into(), P::KEY, columns))
    }

    fn new(name: String, key: &'static [&'static str], columns: Vec<Column>) -> Self {
        let mut table = Self {
            name,
            key,
            columns,
            load: String::new(),
            write: String::new(),
            write_and_delete: String::new(),
            get: String::new(),
        };
        table.load = table.fill(include_str!("../../queries/load_rows.template.sql"));
        table.write = table.fill(include_str!("../../queries/write_rows.template.sql"));
        table.write_and_delete = table.fill(include_str!("../../queries/write_and_delete_rows.template.sql"));
        let by_key = (1..).zip(key).map(|(index, part)| {
            let type_name = &column(&table.name, &table.columns, part)
                .expect("the key was looked up")
                .type_name;
            format!("t.{} = ${index}::text::{type_name}", quoted(part))
        });
        let by_key = by_key.collect::<Vec<_>>().join(" and ");
        table.get = table.fill(&include_str!("../../queries/get_row.template.sql").replace("{same_key}", &by_key));
        table
    }

    /// The same columns in a table of this name, which SQL can read as it is.
    pub(crate) fn named(&self, name: String) -> Self {
        Self::new(name, self.key, self.columns.clone())
    }

    /// The columns, in the order of the row's fields.
    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The key's columns.
    pub(crate) fn key_columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| self.key.contains(&&*column.name))
    }

    /// Fills a template's places for the table, its columns and its key.
    pub(crate) fn fill(&self, template: &str) -> String {
        let same_key = self
            .key
            .iter()
            .map(|part| format!("t.{0} = v.{0}", quoted(part)))
            .collect::<Vec<_>>();
        let key = self.key.iter().map(|part| quoted(part)).collect::<Vec<_>>();
        template
            .replace("{table}", &self.name)
            .replace(
                "{columns}",
                &self.list(|name, column| match column.exact_decimal {
                    true => format!("t.{name}::text as {name}"),
                    false => format!("t.{name}"),
                }),
            )
            .replace("{names}", &self.list(|name, _| name.into()))
            .replace("{values}", &self.list(|name, _| format!("v.{name}")))
            .replace("{key}", &key.join(", "))
            .replace("{same_key}", &same_key.join(" and "))
            .replace("{update}", &self.update())
    }

    fn list(&self, each: impl Fn(&str, &Column) -> String) -> String {
        self.columns
            .iter()
            .map(|column| each(&quoted(&column.name), column))
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn update(&self) -> String {
        let mut update = String::new();
        for column in self.columns.iter().filter(|column| !self.key.contains(&&*column.name)) {
            let lead = if update.is_empty() { "update set " } else { ", " };
            let name = quoted(&column.name);
            write!(update, "{lead}{name} = excluded.{name}").expect("a String takes everything");
        }
        if update.is_empty() { "nothing".into() } else { update }
    }

    /// The column of this name.
    pub(crate) fn column(&self, name: &str) -> Result<&Column, TableError> {
        column(&self.name, &self.columns, name)
    }

    /// A key's parts, in the order of the key's columns.
    pub(crate) fn key_parts<P: Projection>(&self, key: &P::Key) -> Result<Vec<Value>, Source> {
        let parts = match serde_json::to_value(key)? {
            Value::Array(parts) if self.key.len() > 1 => parts,
            part => vec![part],
        };
        if parts.len() != self.key.len() {
            let error = TableError::Key {
                table: self.name.clone(),
                expected: self.key.len(),
                found: parts.len(),
            };
            return Err(error.into());
        }
        Ok(parts)
    }

    /// Keys as a JSON array of objects, for `json_populate_record`.
    pub(crate) fn keys_json<'a, P: Projection>(
        &self,
        keys: impl Iterator<Item = &'a P::Key>,
    ) -> Result<String, Source> {
        let object = |key| -> Result<Value, Source> {
            let columns = self.key.iter().map(ToString::to_string);
            Ok(Value::Object(
                columns.zip(self.key_parts::<P>(key)?).collect::<Map<_, _>>(),
            ))
        };
        let objects = keys.map(object).collect::<Result<Vec<_>, _>>()?;
        Ok(serde_json::to_string(&objects)?)
    }
}

fn column<'a>(table: &str, columns: &'a [Column], name: &str) -> Result<&'a Column, TableError> {
    let found = columns.iter().find(|column| column.name == name);
    found.ok_or_else(|| TableError::NoColumn {
        table: table.into(),
        column: name.into(),
    })
}

/// A name as SQL writes it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A JSON value as text that a cast reads; `None` for null.
pub(crate) fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
