//! `callboard routes`: which command goes where, and what may come of it.

use callboard::ListedCommand;
use callboard_kit::operator;
use clap::{ArgMatches, Command};

use crate::command_line::leaf;
use crate::output::{Output, row, table};

pub(crate) fn command() -> Command {
    leaf(
        "routes",
        "Lists every command with its log, aggregate, stream, events and refusals, as they are registered",
    )
}

pub(crate) async fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let routes = operator::routes().await?;
    Output::of(matches).print(&routes, || shown(&routes))?;
    Ok(())
}

fn shown(routes: &[ListedCommand]) -> String {
    let mut rows = vec![row(["LOG", "COMMAND", "AGGREGATE", "STREAM", "EVENTS", "REFUSALS"])];
    rows.extend(routes.iter().map(|route| {
        let events = route.events.iter();
        let events = events.map(|event| format!("{} v{}", event.name, event.schema_version));
        row([
            route.log,
            route.command,
            route.aggregate,
            route.stream,
            &or_dash(events.collect()),
            &or_dash(route.refusals.iter().map(ToString::to_string).collect()),
        ])
    }));
    table(&rows)
}

fn or_dash(names: Vec<String>) -> String {
    if names.is_empty() { "-".into() } else { names.join(", ") }
}
