//! The command line.

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::find::Need;
use crate::{bench, chaos, check, node, run, services, signals::Signals, test, up};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Run, test and check Callboard"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run callboard-command and callboard-projector on PostgreSQL and RabbitMQ, until Ctrl-C
    Up {
        #[command(flatten)]
        finding: Finding,
        /// Build with optimisations
        #[arg(long)]
        release: bool,
    },
    /// End what an earlier `up`, `test`, `services`, `node` or `chaos` left running, and only that
    Down,
    /// Run all tests; arguments go to `cargo nextest run` (or to `cargo test` where nextest is not installed)
    Test {
        #[command(flatten)]
        finding: Finding,
        /// What to run, as the test runner understands it; without any, the whole workspace and its doctests
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Find or start the two servers, print their URLs, and keep them until Ctrl-C
    Services {
        #[command(flatten)]
        finding: Finding,
    },
    /// Start a server for tests that break it: its URL on stdout, then orders on stdin
    Node {
        /// Which one
        server: Need,
        #[command(flatten)]
        finding: Finding,
    },
    /// Inject faults into the real pair under load, and check that nothing is lost, doubled or out of order
    Chaos {
        #[command(flatten)]
        finding: Finding,
        #[command(flatten)]
        injecting: Injecting,
    },
    /// Measure the real binaries, each figure beside something that does the same without Callboard
    Bench {
        #[command(flatten)]
        finding: Finding,
        /// What to measure, and how often: `--help` after `--` says it all
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Check formatting, lints and documentation
    Check,
}

/// How far finding the servers may go.
#[derive(Args, Clone, Copy)]
pub struct Finding {
    /// Never install Debian packages, only use what is there
    #[arg(long)]
    pub no_install: bool,
}

/// What to inject, and for how long.
#[derive(Args)]
pub struct Injecting {
    /// For how many minutes faults are injected
    #[arg(long, default_value_t = 5.0)]
    pub minutes: f64,
    /// Repeats the schedule of faults and the clients' choices of an earlier run, which has printed its seed
    #[arg(long)]
    pub seed: Option<u64>,
    /// Only this fault; may be given several times. A name that is none gets the list of all
    #[arg(long = "fault", value_name = "NAME")]
    pub faults: Vec<String>,
    /// Build with optimisations
    #[arg(long)]
    pub release: bool,
}

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    let outcome = Signals::listen().and_then(|signals| match Cli::parse().command {
        Command::Up { finding, release } => up::run(finding, release, &signals),
        Command::Down => run::down(),
        Command::Test { finding, args } => test::run(finding, &args, &signals),
        Command::Services { finding } => services::run(finding, &signals),
        Command::Node { server, finding } => node::run(server, finding, &signals),
        Command::Chaos { finding, injecting } => chaos::run(finding, &injecting, &signals),
        Command::Bench { finding, args } => bench::run(finding, &args, &signals),
        Command::Check => check::run(),
    });
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
