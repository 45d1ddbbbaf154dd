//! `callboard`: everything in one process by default, and the operator's command line.

mod embedded;

use std::process::ExitCode;

use callboard_kit::cli::{Invocation, run};
use callboard_kit::with_flags;
use clap::{Arg, ArgAction, Command};

fn main() -> ExitCode {
    run(command_line(), async |invocation: Invocation| {
        match invocation.matches.subcommand() {
            None => embedded::run(&invocation).await,
            Some((other, _)) => unreachable!("clap lets no other subcommand through: {other}"),
        }
    })
}

fn command_line() -> Command {
    let no_demo = Arg::new("no-demo")
        .long("no-demo")
        .action(ArgAction::SetTrue)
        .help("Starts empty, without demo data");
    with_flags(
        Command::new("callboard")
            .about("Without a command: everything in this one process, in memory")
            .version(env!("CARGO_PKG_VERSION")),
    )
    .arg(no_demo)
}
