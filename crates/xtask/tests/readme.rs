//! The README says what is so: its tests exist, and its code is the code.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn sources(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&fs::read_to_string(&path).expect("a source file"));
        }
    }
}

#[test]
fn every_guarantee_names_tests_that_exist() {
    let readme = read("README.md");
    let (_, guarantees) = readme.split_once("## What it guarantees").expect("the section");
    let (guarantees, _) = guarantees.split_once("\n## ").expect("the next section");
    let rows: Vec<&str> = guarantees
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1)
        .collect();
    assert!(rows.len() > 10, "the table is found");
    let mut code = String::new();
    sources(&root().join("crates"), &mut code);
    for row in rows {
        let named: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "a promise without a test: {row}");
        for test in named {
            assert!(code.contains(&format!("fn {test}(")), "there is no test {test}");
        }
    }
}

#[test]
fn the_code_it_shows_is_the_code() {
    let readme = read("README.md");
    let shown: Vec<&str> = readme
        .split("```rust,ignore\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert_eq!(shown.len(), 2, "the slice and its test");
    let slice = read("crates/contexts/warehouse/src/ship_quantity/mod.rs");
    let tests = read("crates/contexts/warehouse/src/ship_quantity/tests.rs");
    for (shown, source) in shown.iter().zip([slice, tests]) {
        // The excerpt leaves out what stands between; each part of it is whole.
        for part in shown.split("\n\n") {
            assert!(source.contains(part.trim_end()), "no longer the code:\n{part}");
        }
    }
}

#[test]
fn every_link_leads_somewhere() {
    for target in read("README.md")
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
    {
        assert!(
            target.starts_with("http") || root().join(target).exists(),
            "a dead link: {target}"
        );
    }
}
