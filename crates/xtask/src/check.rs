//! `cargo xtask check`: what must hold before anybody reads a change.

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::workspace;

/// Arguments for cargo, and the variable that makes a warning an error.
type Step = (&'static [&'static str], Option<(&'static str, &'static str)>);

const STEPS: [Step; 3] = [
    (&["fmt", "--all", "--check"], None),
    (
        &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"],
        None,
    ),
    (
        &["doc", "--workspace", "--no-deps"],
        Some(("RUSTDOCFLAGS", "--deny warnings")),
    ),
];

/// Runs formatting, lints and documentation, and stops at the first that fails.
pub fn run() -> Result<ExitCode> {
    for (arguments, variable) in STEPS {
        eprintln!("cargo {}", arguments.join(" "));
        let status = workspace::cargo()
            .args(arguments)
            .envs(variable)
            .status()
            .context("can't run cargo")?;
        if !status.success() {
            eprintln!("error: `cargo {}` failed", arguments.join(" "));
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}
