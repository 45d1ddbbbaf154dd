//! `cargo xtask test`: doctests first, then the runner, whose summary is the last thing said.

use std::process::{Command, ExitCode, ExitStatus, Stdio};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::cli::Finding;
use crate::find::Need;
use crate::node;
use crate::process;
use crate::run::Run;
use crate::servers::{self, Purpose, Servers};
use crate::signals::Signals;
use crate::workspace;

/// Runs the tests. The exit code is the runner's, or that of the doctests if only they fail.
pub fn run(finding: Finding, args: &[String], signals: &Signals) -> Result<ExitCode> {
    let mut run = Run::begin("test", signals)?;
    let servers = servers::bring_up(finding, Purpose::Tests, &mut run, signals)?;
    if needs_nodes(args) {
        for need in Need::ALL {
            if let Err(error) = node::install(need, finding) {
                // Those tests fail and say so; the others needn't wait for it.
                eprintln!("warning: {error:#}");
            }
        }
    }
    let nextest = has_nextest();
    // Arguments select; doctests can't be selected in the runner's language, so they belong to the whole only.
    let doctests = if args.is_empty() {
        await_end(cargo(&servers).args(DOCTESTS), signals)?
    } else {
        ExitCode::SUCCESS
    };
    if signals.count() > 0 {
        return Ok(doctests);
    }
    let tests = await_end(&mut runner(&servers, nextest, args), signals)?;
    Ok(if tests == ExitCode::SUCCESS { doctests } else { tests })
}

const DOCTESTS: [&str; 4] = ["test", "--doc", "--workspace", "--quiet"];

fn runner(servers: &Servers, nextest: bool, args: &[String]) -> Command {
    let mut command = cargo(servers);
    command.args(if nextest { &["nextest", "run"][..] } else { &["test"] });
    if !nextest && args.is_empty() {
        // Everything but the doctests, which have run already.
        command.args(["--lib", "--bins", "--tests", "--no-fail-fast"]);
    }
    if !selects_packages(args) {
        command.arg("--workspace");
    }
    command.args(args);
    command
}

/// Whether the tests that break servers of their own may be among these.
fn needs_nodes(args: &[String]) -> bool {
    args.is_empty()
        || args
            .iter()
            .any(|arg| arg.contains("_node") || arg.contains("conformance"))
}

fn selects_packages(args: &[String]) -> bool {
    let of_runner = args.iter().take_while(|arg| *arg != "--");
    of_runner.into_iter().any(|arg| {
        let long = ["--package", "--workspace", "--all", "--manifest-path"]
            .iter()
            .any(|name| {
                arg.strip_prefix(name)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
            });
        long || (arg.starts_with("-p") && !arg.starts_with("--"))
    })
}

/// Cargo, with where the servers are.
pub fn cargo(servers: &Servers) -> Command {
    let mut command = workspace::cargo();
    pass_on(&mut command, servers);
    command
}

/// Tells a program where the servers are.
pub fn pass_on<'a>(command: &'a mut Command, servers: &Servers) -> &'a mut Command {
    command
        .env("DATABASE_URL", servers.postgres.text())
        .env("AMQP_URL", servers.rabbitmq.text());
    command.env_remove("DATABASE_URL_FILE").env_remove("AMQP_URL_FILE")
}

fn has_nextest() -> bool {
    let probe = workspace::cargo()
        .args(["nextest", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    probe.is_ok_and(|status| status.success())
}

/// Waits for the end. Ctrl-C reaches the runner by itself, as it does us; a SIGTERM to us alone is passed on.
pub fn await_end(command: &mut Command, signals: &Signals) -> Result<ExitCode> {
    let mut child = command.spawn().context("can't run cargo")?;
    let mut passed_on = signals.count();
    loop {
        if let Some(status) = child.try_wait().context("can't wait for cargo")? {
            return Ok(code(status));
        }
        if signals.count() > passed_on {
            passed_on = signals.count();
            if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::TERM);
            }
        }
        process::pause();
    }
}

fn code(status: ExitStatus) -> ExitCode {
    match status.code() {
        Some(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        None => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_on_the_command_line_replaces_the_workspace() {
        let selects = |line: &str| selects_packages(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        for line in [
            "-p warehouse",
            "-pwarehouse",
            "--package warehouse",
            "--package=warehouse",
            "--workspace",
        ] {
            assert!(selects(line), "{line}");
        }
        for line in ["ship_quantity", "--no-capture", "--profile ci", "-- -p", "--packages"] {
            assert!(!selects(line), "{line}");
        }
    }
}
