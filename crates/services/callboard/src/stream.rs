//! `callboard stream show`: the events of one stream.

use callboard::log::LogReader;
use callboard::{Recorded, StreamName, Version};
use callboard_kit::cli::Invocation;
use clap::{Arg, ArgMatches, Command};

use crate::command_line::{group, leaf, log};
use crate::events::{PAGE, chosen_log, shown};
use crate::output::Output;

pub(crate) fn command() -> Command {
    let stream = Arg::new("stream")
        .value_name("STREAM")
        .required(true)
        .value_parser(|name: &str| StreamName::parse(name))
        .help("The stream, e.g. product-abc123");
    group("stream", "Looks at one stream: the events of one aggregate")
        .subcommand(leaf("show", "Prints a stream's events in order").arg(log()).arg(stream))
}

pub(crate) async fn run(invocation: &Invocation, matches: &ArgMatches) -> anyhow::Result<()> {
    let (_, matches) = matches.subcommand().expect("clap requires a subcommand");
    let log = chosen_log(invocation, matches).await?;
    let stream: &StreamName = matches.get_one("stream").expect("clap requires it");
    let head = log.head().await?.position;
    let mut events: Vec<Recorded> = Vec::new();
    loop {
        let seen = events.last().map_or(Version::default(), |event| event.version);
        let page = log.read_streams(&[(stream.clone(), seen)], head, PAGE).await?;
        events.extend(page.events);
        if !page.more {
            break;
        }
    }
    anyhow::ensure!(!events.is_empty(), "the log {} has no stream {stream}", log.name());
    let data: Vec<_> = events.iter().map(|event| event.to_public(log.name())).collect();
    Output::of(matches).print(&data, || events.iter().map(shown).collect())?;
    Ok(())
}
