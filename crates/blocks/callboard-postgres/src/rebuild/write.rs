//! Writes rows into a shadow: new ones by COPY, the others by the statements for JSON.

use callboard::Projection;
use callboard::log::Source;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::projection::{Failure, Table};

/// So much text, or so many keys, are written at once: a few milliseconds' work for Postgres.
const PIECE_BYTES: usize = 64 << 10;
const PIECE_KEYS: usize = 1_000;

/// Types whose JSON is, without its quotes, the text that COPY reads; parameters such as `(10,2)`
/// stand behind.
const PLAIN: [&str; 19] = [
    "bigint",
    "boolean",
    "bytea",
    "character varying",
    "date",
    "double precision",
    "inet",
    "integer",
    "interval",
    "numeric",
    "real",
    "smallint",
    "text",
    "time with time zone",
    "time without time zone",
    "timestamp with time zone",
    "timestamp without time zone",
    "uuid",
    "character",
];

fn is_plain(type_name: &str) -> bool {
    !type_name.ends_with("[]") && PLAIN.contains(&type_name.split('(').next().unwrap_or(type_name))
}

/// Whether keys that differ in Rust differ in the database.
pub(super) fn has_plain_key(table: &Table) -> bool {
    let exact = ["bigint", "boolean", "integer", "smallint", "text", "uuid"];
    table.key_columns().all(|column| exact.contains(&&*column.type_name))
}

/// What has to be written.
pub(super) struct Changes<'a, P: Projection> {
    table: &'a Table,
    /// Whether new rows may go by COPY.
    copies: bool,
    fresh: String,
    /// A JSON array that is still open.
    changed: String,
    gone: Vec<P::Key>,
}

impl<'a, P: Projection> Changes<'a, P> {
    pub(super) fn new(table: &'a Table) -> Self {
        let types = table.columns().iter();
        Self {
            table,
            copies: has_plain_key(table) && types.map(|column| &column.type_name).all(|name| is_plain(name)),
            fresh: String::new(),
            changed: String::new(),
            gone: Vec::new(),
        }
    }

    /// A touched key with its row now, and whether the table has one.
    pub(super) fn take(&mut self, key: &P::Key, row: Option<&P::Row>, stored: bool) -> Result<(), Source> {
        match (row, stored) {
            (Some(row), false) if self.copies => copy_line(self.table, &serde_json::to_value(row)?, &mut self.fresh),
            (Some(row), _) => {
                self.changed.push(if self.changed.is_empty() { '[' } else { ',' });
                self.changed.push_str(&serde_json::to_string(row)?);
            }
            (None, true) => self.gone.push(key.clone()),
            (None, false) => {}
        }
        Ok(())
    }

    /// Whether it is time to write what was taken.
    pub(super) fn are_many(&self) -> bool {
        self.fresh.len() + self.changed.len() >= PIECE_BYTES || self.gone.len() >= PIECE_KEYS
    }

    /// Writes what was taken since the last time; returns how many bytes of rows it was.
    pub(super) async fn write(&mut self, connection: &mut PgConnection) -> Result<usize, Failure> {
        let bytes = self.fresh.len() + self.changed.len();
        if !self.gone.is_empty() {
            let delete = self.table.fill(include_str!("../../queries/delete_rows.template.sql"));
            let keys = self.table.keys_json::<P>(self.gone.iter())?;
            execute(connection, &delete, keys).await?;
            self.gone.clear();
        }
        if !self.changed.is_empty() {
            let put = self.table.fill(include_str!("../../queries/put_rows.template.sql"));
            execute(connection, &put, std::mem::take(&mut self.changed) + "]").await?;
        }
        if !self.fresh.is_empty() {
            let copy = self.table.fill("copy {table} ({names}) from stdin");
            let mut copying = connection.copy_in_raw(&copy).await?;
            copying.send(self.fresh.as_bytes()).await?;
            copying.finish().await?;
            self.fresh.clear();
        }
        Ok(bytes)
    }
}

async fn execute(connection: &mut PgConnection, statement: &str, json: String) -> Result<(), Failure> {
    sqlx::query(AssertSqlSafe(statement))
        .bind(json)
        .execute(connection)
        .await?;
    Ok(())
}

/// A row as a line of COPY's text format.
fn copy_line(table: &Table, row: &Value, line: &mut String) {
    for (index, column) in table.columns().iter().enumerate() {
        if index > 0 {
            line.push('\t');
        }
        match row.get(&column.name) {
            None | Some(Value::Null) => line.push_str("\\N"),
            Some(Value::String(text)) => escape(text, line),
            Some(other) => escape(&other.to_string(), line),
        }
    }
    line.push('\n');
}

fn escape(text: &str, line: &mut String) {
    for character in text.chars() {
        match character {
            '\\' => line.push_str("\\\\"),
            '\t' => line.push_str("\\t"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            other => line.push(other),
        }
    }
}
