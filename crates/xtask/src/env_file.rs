//! Environment files such as `.env.dev`: `NAME=value` lines and comments.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Reads the file; a file that is not there is empty.
pub fn read(path: &Path) -> Result<BTreeMap<String, String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text).with_context(|| format!("in {}", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error).with_context(|| format!("can't read {}", path.display())),
    }
}

/// Reads `NAME=value` lines; a value may stand in single or double quotes, nothing is expanded.
pub fn parse(text: &str) -> Result<BTreeMap<String, String>> {
    let mut values = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            bail!("line {}: no '=' in {line:?}", number + 1)
        };
        let name = name.trim();
        if name.is_empty()
            || !name
                .chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        {
            bail!("line {}: {name:?} is no variable's name", number + 1);
        }
        if values
            .insert(name.to_owned(), unquoted(value.trim()).to_owned())
            .is_some()
        {
            bail!("line {}: {name} is there twice", number + 1);
        }
    }
    Ok(values)
}

fn unquoted(value: &str) -> &str {
    ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_quotes_are_left_out() {
        let values = parse("# a comment\n\nA=1\nB = \"two words\"\nC='x=y'\nD=\n").unwrap();
        assert_eq!(values["A"], "1");
        assert_eq!(values["B"], "two words");
        assert_eq!(values["C"], "x=y");
        assert_eq!(values["D"], "");
    }

    #[test]
    fn a_line_that_sets_nothing_is_named() {
        let error = parse("A=1\noops\n").unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
        assert!(parse("A=1\nA=2").is_err());
        assert!(parse("a b=2").is_err());
    }
}
