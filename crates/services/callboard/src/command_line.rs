//! The command line as a whole, and what its commands share.

use callboard_kit::contexts::LOGS;
use callboard_kit::with_flags;
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, value_parser};

/// `callboard` with all of its commands.
pub(crate) fn command_line() -> Command {
    let no_demo = Arg::new("no-demo")
        .long("no-demo")
        .action(ArgAction::SetTrue)
        .help("Starts empty, without demo data");
    let about = "Without a command: everything in this one process, in memory. With one: the operator's tool for a \
                 database and a broker.";
    with_flags(
        Command::new("callboard")
            .about(about)
            .version(env!("CARGO_PKG_VERSION"))
            .after_help(
                "Data go to stdout, talk goes to stderr. Exit codes: 0 done and well, 1 failed or not well, 2 \
                         wrong usage or settings.",
            ),
    )
    .arg(no_demo)
    .subcommands([
        crate::migrate::command(),
        crate::status::command(),
        crate::doctor::command(),
        crate::config::command(),
        crate::events::command(),
        crate::stream::command(),
        crate::routes::command(),
        crate::projections::command(),
        crate::handlers::command(),
        crate::parked::command(),
        crate::relay::command(),
        crate::topology::command(),
        crate::completions::command(),
    ])
}

/// A command that does something, with `--json`.
pub(crate) fn leaf(name: &'static str, about: &'static str) -> Command {
    let json = Arg::new("json")
        .long("json")
        .action(ArgAction::SetTrue)
        .help("Prints JSON");
    Command::new(name).about(about).arg(json)
}

/// A command that only has others below it.
pub(crate) fn group(name: &'static str, about: &'static str) -> Command {
    Command::new(name)
        .about(about)
        .subcommand_required(true)
        .arg_required_else_help(true)
}

/// The name of a log.
pub(crate) fn log() -> Arg {
    Arg::new("log")
        .value_name("LOG")
        .required(true)
        .value_parser(PossibleValuesParser::new(LOGS))
        .help("The log")
}

/// A number with a flag.
pub(crate) fn number(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    // What a `bigint` holds.
    Arg::new(name)
        .long(name)
        .value_name(value)
        .value_parser(value_parser!(u64).range(..=i64::MAX.cast_unsigned()))
        .help(help)
}

/// Only says what would be done.
pub(crate) fn dry_run() -> Arg {
    Arg::new("dry-run")
        .long("dry-run")
        .action(ArgAction::SetTrue)
        .help("Only says what would be done")
}
