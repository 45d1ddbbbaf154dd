//! `callboard handlers`: how often event handlers do their work.

use std::str::FromStr;

use callboard::pipeline::{EventsPerSecond, InvalidRate};
use callboard_kit::cli::Invocation;
use callboard_kit::operator::{event_handlers, open_database};
use callboard_postgres::order_handler_rate;
use clap::{Arg, ArgMatches, Command};
use serde_json::json;

use crate::command_line::{dry_run, group, leaf};
use crate::output::Output;
use crate::projections::find;

/// What the command line says of a rate.
#[derive(Debug, Clone, Copy)]
struct Ordered(Option<EventsPerSecond>);

impl FromStr for Ordered {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rate = |text: &str| text.parse().map_err(|error: InvalidRate| format!("{error}, or `none`"));
        Ok(Self(if text == "none" { None } else { Some(rate(text)?) }))
    }
}

pub(crate) fn command() -> Command {
    let name = Arg::new("name")
        .value_name("LOG.NAME")
        .required(true)
        .help("The event handler, e.g. tickets.ticket-webhook");
    let rate = Arg::new("rate")
        .value_name("EVENTS_PER_SECOND|none")
        .required(true)
        .allow_negative_numbers(true)
        .value_parser(Ordered::from_str)
        .help("A whole number from 1 to 1000000; none leaves it to the handler's own limit, if it has any");
    group("handlers", "Looks after the event handlers").subcommand(
        leaf(
            "rate",
            "Lets an event handler begin no more events in a second, in whatever process runs it, now and after restarts; \
             `callboard status` shows it",
        )
        .arg(name)
        .arg(rate)
        .arg(dry_run()),
    )
}

pub(crate) async fn run(invocation: &Invocation, matches: &ArgMatches) -> anyhow::Result<()> {
    let (_, matches) = matches.subcommand().expect("clap requires a subcommand");
    let full: &String = matches.get_one("name").expect("clap requires it");
    let Ordered(to) = *matches.get_one("rate").expect("clap requires it");
    let database = open_database(&invocation.config).await?;
    let logs = callboard_postgres::status(database.queries()).await?;
    let found = find(&logs, full).filter(|(_, subscriber)| subscriber.kind == "event_handler");
    let Some((log, handler)) = found else {
        return Err(unknown(full).await?);
    };
    let dry_run = matches.get_flag("dry-run");
    if !dry_run {
        order_handler_rate(&database, log, &handler.name, to).await?;
    }
    let from = handler.events_per_second;
    let data = json!({ "log": log, "name": handler.name, "from": from, "to": to, "done": !dry_run });
    Output::of(matches).print(&data, || {
        let verb = if dry_run { "would be" } else { "is" };
        format!("{full}'s rate {verb} {} (it was {})\n", shown(to), shown(from))
    })?;
    Ok(())
}

/// A rate as people read it.
pub(crate) fn shown(rate: Option<EventsPerSecond>) -> String {
    rate.map_or("-".into(), |rate| format!("{rate}/s"))
}

async fn unknown(full: &str) -> anyhow::Result<anyhow::Error> {
    let known: Vec<String> = event_handlers()
        .await?
        .iter()
        .map(|(log, name)| format!("{log}.{name}"))
        .collect();
    if known.iter().any(|known| known == full) {
        return Ok(anyhow::anyhow!("{full} has never run on this database"));
    }
    Ok(anyhow::anyhow!(
        "LOG.NAME: there is no event handler {full}; there are: {}",
        known.join(", ")
    ))
}
