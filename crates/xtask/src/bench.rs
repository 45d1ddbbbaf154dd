//! `cargo xtask bench`: optimised binaries, servers, and the measuring itself.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::cli::Finding;
use crate::pair::{COMMAND, PROJECTOR};
use crate::run::Run;
use crate::servers::{self, Purpose};
use crate::signals::Signals;
use crate::test::{await_end, cargo, pass_on};
use crate::workspace;

/// The package, and its binary.
const BENCH: &str = "bench";
/// What it is compared with.
const SIMPLEST: [&str; 5] = [
    "build",
    "--release",
    "--package=callboard-postgres",
    "--example",
    "simplest_service",
];

/// Builds what is needed and measures. The exit code is the measuring's own.
pub fn run(finding: Finding, args: &[String], signals: &Signals) -> Result<ExitCode> {
    let folder = workspace::build(&[COMMAND.name, PROJECTOR.name, BENCH], true)?;
    let mut run = Run::begin(BENCH, signals)?;
    let servers = servers::bring_up(finding, Purpose::Tests, &mut run, signals)?;
    let built = await_end(cargo(&servers).args(SIMPLEST), signals)?;
    if built != ExitCode::SUCCESS || signals.count() > 0 {
        return Ok(built);
    }
    let mut command = Command::new(folder.join(BENCH));
    await_end(pass_on(&mut command, &servers).args(args), signals)
}
