//! `callboard completions`: what a shell needs to complete this command line.

use std::io::Write;

use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::{Shell, generate};

use crate::command_line::command_line;

pub(crate) fn command() -> Command {
    let shell = Arg::new("shell")
        .value_name("SHELL")
        .required(true)
        .value_parser(value_parser!(Shell))
        .help("The shell");
    Command::new("completions")
        .about("Prints completions for a shell, e.g. for ~/.local/share/bash-completion/completions/callboard")
        .arg(shell)
}

pub(crate) fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let shell: Shell = *matches.get_one("shell").expect("clap requires it");
    // Into memory first: the generator panics when stdout is closed.
    let mut script = Vec::new();
    generate(shell, &mut command_line(), "callboard", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(())
}
