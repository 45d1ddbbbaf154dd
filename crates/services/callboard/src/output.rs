//! What goes to stdout: data, as JSON or as text for people. (Talk goes to stderr, with the logs.)

use std::io::{self, Write};

use clap::ArgMatches;
use serde::Serialize;

/// Where a command's data go.
pub(crate) struct Output {
    json: bool,
}

impl Output {
    /// As this command was told.
    pub(crate) fn of(matches: &ArgMatches) -> Self {
        Self {
            json: matches.get_flag("json"),
        }
    }

    /// Prints data, or what a person sees of them.
    pub(crate) fn print(&self, data: &impl Serialize, text: impl FnOnce() -> String) -> io::Result<()> {
        let text = if self.json {
            format!("{}\n", serde_json::to_string_pretty(data)?)
        } else {
            text()
        };
        io::stdout().lock().write_all(text.as_bytes())
    }

    /// As [`Output::print`], for one of many: JSON takes a line.
    pub(crate) fn print_line(&self, data: &impl Serialize, text: impl FnOnce() -> String) -> io::Result<()> {
        if self.json {
            json_line(data)
        } else {
            io::stdout().lock().write_all(text().as_bytes())
        }
    }
}

/// Prints data as JSON on a line.
pub(crate) fn json_line(data: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(data)?;
    line.push(b'\n');
    io::stdout().lock().write_all(&line)
}

/// Tells whoever gave the order what isn't data.
pub(crate) fn talk(text: &str) -> io::Result<()> {
    io::stderr().lock().write_all(text.as_bytes())
}

/// Columns as wide as what is in them. The first row is the heading.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A row of a table.
pub(crate) fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).into()
}

#[cfg(test)]
mod tests {
    use super::{row, table};

    #[test]
    fn columns_line_up() {
        let text = table(&[
            row(["LOG", "HEAD", ""]),
            row(["warehouse", "5", "so"]),
            row(["t", "", ""]),
        ]);
        assert_eq!(text, "LOG        HEAD\nwarehouse  5     so\nt\n");
    }
}
