//! What the tests about the checkout share.

use std::fs;
use std::path::{Path, PathBuf};

/// The checkout.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the crate lies two folders below the root")
}

/// A file of the checkout.
#[allow(dead_code, reason = "not every test binary reads")]
pub fn read(path: &str) -> String {
    let file = root().join(path);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("can't read {}: {error}", file.display()))
}

/// All files below a folder of the checkout, relative to the checkout, in order.
#[allow(dead_code, reason = "not every test binary walks")]
pub fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("can't read {}: {error}", folder.display()));
        for entry in entries {
            let entry = entry.expect("a folder's entry");
            let path = entry.path();
            if entry.file_type().expect("a file's type").is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(root()).expect("it is below the root").to_owned());
            }
        }
    }
    found.sort();
    found
}
