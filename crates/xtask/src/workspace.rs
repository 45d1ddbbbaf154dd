//! Where things are in the checkout, and how to call cargo.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The checkout that this xtask was built from.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .nth(2)
        .expect("the crate lies two folders below the root")
}

/// What `up` keeps between runs, and the notes on what is running. Ignored by git.
pub fn state() -> PathBuf {
    root().join(".callboard")
}

/// The cargo that started us, called in the root of the checkout.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    // We run under `cargo run`, which describes xtask in these. Build scripts that watch them would run again.
    let ours = |name: &std::ffi::OsStr| {
        name.to_str()
            .is_some_and(|name| OURS.iter().any(|start| name.starts_with(start)))
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    command
}

const OURS: [&str; 2] = ["CARGO_PKG_", "CARGO_MANIFEST_"];

/// Builds these packages and returns the folder that their binaries are in.
pub fn build(packages: &[&str], release: bool) -> Result<PathBuf> {
    let mut command = cargo();
    command.arg("build");
    for package in packages {
        command.args(["--package", package]);
    }
    if release {
        command.arg("--release");
    }
    let status = command.status().context("can't run cargo")?;
    if !status.success() {
        bail!("the build failed");
    }
    Ok(target()?.join(if release { "release" } else { "debug" }))
}

/// Where cargo puts what it builds.
pub fn target() -> Result<PathBuf> {
    let output = cargo()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .context("can't run cargo metadata")?;
    if !output.status.success() {
        bail!(
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata wrote no JSON")?;
    let folder = metadata["target_directory"]
        .as_str()
        .context("cargo metadata names no target_directory")?;
    Ok(PathBuf::from(folder))
}
